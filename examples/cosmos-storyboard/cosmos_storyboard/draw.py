"""Runs where the job runs: reads spec.json and inputs/video, writes outputs/."""

import json
import sys
from pathlib import Path

import av

job = Path(sys.argv[1])
spec = json.loads((job / "spec.json").read_text())
wanted = spec["columns"] * spec["rows"]

with av.open(str(job / "inputs/video")) as film:
    stream = film.streams.video[0]
    total = sum(1 for packet in film.demux(stream) if packet.size)
    film.seek(0)
    picks = {i * total // wanted for i in range(wanted)}
    graph = av.filter.Graph()
    graph.link_nodes(
        graph.add_buffer(template=stream),
        graph.add("scale", f"{spec['width']}:-2"),
        graph.add("tile", f"{spec['columns']}x{spec['rows']}:padding=4"),
        graph.add("format", "rgb24"),
        graph.add("buffersink"),
    ).configure()
    seconds = []
    for number, frame in enumerate(film.decode(stream)):
        if number in picks:
            graph.vpush(frame)
            seconds.append(frame.time)
            print("@cosmos", json.dumps({"fraction": len(seconds) / wanted, "message": "drawing"}), flush=True)
    graph.vpush(None)
    sheet = graph.vpull()

with av.open(str(job / "outputs/storyboard.png"), "w", format="image2") as picture:
    page = picture.add_stream("png", rate=1)
    page.width, page.height, page.pix_fmt = sheet.width, sheet.height, "rgb24"
    sheet.pts = None
    for packet in (*page.encode(sheet), *page.encode()):
        picture.mux(packet)
(job / "outputs/seconds.json").write_text(json.dumps(seconds))

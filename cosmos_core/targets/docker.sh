# -- the work is a container, and the truth is the container's: the client that started it, the daemon or the keeper may
# end while it goes on

container=cosmos-$job
away="Docker does not answer"

ask() { # a daemon that hangs is one that does not answer
    patience='timeout 30'
    command -v timeout > /dev/null || patience=
    docker "$@" 2>/dev/null
}

# phase: running exited created ... as Docker says; none: it is not there; away: nobody answers. Then code, oom.
inspect() {
    # shellcheck disable=SC2046  # split on purpose
    set -- $(ask inspect --type container --format '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}' "$container")
    phase=$1 code=$2 oom=$3
    [ -z "$phase" ] || return 0
    phase=away
    if found=$(ask ps --all --quiet --filter "name=^/$container\$"); then
        [ -n "$found" ] || phase=none
    fi
}
work_state() { # none, untended, away
    inspect
    case $phase in
    none | created) state=none ;; # created: it never ran
    away) state=away ;;
    *) state=untended ;;
    esac
}
# GPUs are held before Docker is asked: it may not answer for a while, and who runs plain processes sees the line alone.
# What began is waited for. What never did is left: whoever started it is then told that Docker does not answer.
take_over() {
    ! command -v hold_gpus > /dev/null || hold_gpus
    work_state
    while [ "$state" = away ] && [ -f started ]; do
        nap 1
        work_state
    done
    [ "$state" = untended ] || leave_line
}
work_goes_on() {
    inspect
    [ "$phase" = running ] || [ "$phase" = away ]
}

# Secrets go from memory through a pipe, never by a file or an argument. What Docker refuses never ran, and may be started
# again once that is put right.
start_work() { # NAME=VALUE ...
    devices= labelled=
    if [ -n "$chosen" ]; then
        # shellcheck disable=SC2086  # split on purpose
        labelled=$(commas $chosen)
        devices="\"device=$labelled\""
    fi
    docker rm --volumes "$container" > /dev/null 2>&1 # one that was made and never ran; no other can be removed so
    { said=$({ printf '%s\n' "$@" | work > container_id; } 2>&1) && return; } 7<&- 8<&-
    inspect
    while [ "$phase" = away ] && [ ! -f stopped ]; do
        case $said in *EOF* | *'reset by peer'* | *'during connect'*) ;; *) break ;; esac
        nap 1 # the daemon went while it was asked, and may have started it
        inspect
    done
    case $phase in none | away | created) ;; *) return 0 ;; esac
    docker rm --volumes "$container" > /dev/null 2>&1
    printf '%s\n' "$said" > refused
    return 1
}

# The work writes its log itself, into the folder. What Docker keeps is only what was said before the log could be opened.
await_work() {
    while :; do
        docker wait "$container" > /dev/null 2>&1 # until it ends, or the daemon goes
        inspect
        case $phase in
        exited | dead) break ;;
        none)
            leave_line
            exit # somebody removed it
            ;;
        esac
        nap 0.5
    done
    [ -s run.log ] || docker logs "$container" >> run.log 2>&1
    [ "$oom" != true ] || : > out_of_memory
}

# What the container wrote is root's; a short container of the same image gives it to the owner of this folder. Left out
# are the inputs: they are the cache's.
end_leftovers() {
    tries=0
    until give_back || [ "$tries" -ge 30 ]; do
        tries=$((tries + 1))
        nap 1
    done
}
give_back() {
    foreign=$(find . -path ./inputs -prune -o ! -user "$(id -u)" -print 2>/dev/null | head -n 1)
    [ -n "$foreign" ] || return 0
    set --
    for entry in ./* ./.[!.]*; do
        [ -e "$entry" ] && [ "$entry" != ./inputs ] && set -- "$@" "$dir/${entry#./}"
    done
    docker run --rm --network none --user 0:0 --volume "$dir:$dir" --entrypoint chown "$image" -R -h "--reference=$dir" "$@"
}

stop_work() {
    docker kill --signal INT "$container" # Python as the first process of a container does not hear TERM
    docker stop -t $((grace / 10)) "$container" # newer clients call it --timeout
    inspect
    [ "$phase" != away ] || state=away
} > /dev/null 2>&1

clean_up() { # nobody waits for it any more, and Docker may be away for a moment
    tries=0
    until docker rm --volumes "$container" > /dev/null 2>&1 || [ "$tries" -ge 60 ]; do
        inspect
        [ "$phase" != none ] || return
        tries=$((tries + 1))
        nap 1
    done
}

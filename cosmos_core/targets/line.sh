# -- the line for GPUs
# One folder for all users of the host. A job has one ticket there, locked from when it joins the line until its work is
# over: a ticket whose lock is free is dead. Its text says whose it is and what it wants, and, from when it has them, what
# it holds. Others' files in a sticky folder cannot be opened for writing, so all are opened for reading only.
# `line` is locked while somebody joins or looks along it.
# Anybody may put anything there: what is no plain file is never opened (a pipe would be waited for), links are never
# followed, nothing that is there is written over, and of texts only short beginnings and plain words are taken.

number=
is_ticket() { # FILE; then `number` is its place
    number=${1##*/ticket.}
    number=${number%%.*}
    case ${1##*/} in *[!A-Za-z0-9._-]* | *.) return 1 ;; esac
    case $number in '' | *[!0-9]* | ??????????*) return 1 ;; esac
    [ -f "$1" ] && [ ! -h "$1" ]
}

ticket=
join_line() { # and leave `line` locked
    case $line in /*) ;; *) # a folder of each job's own would be no line at all
        echo "$line, where jobs should wait for GPUs, is no absolute path: correct lock_dir" > refused
        return 1
        ;;
    esac
    [ -d "$line" ] || (umask 022 && mkdir -p "${line%/*}/" && umask 0 && mkdir -m 1777 "$line") 2>/dev/null
    [ -h "$line" ] || (umask 022 && set -C && : > "$line/line") 2>/dev/null
    if ! command -v flock > /dev/null; then
        echo "flock is missing: install util-linux there, or set gpus = 0" > refused
        return 1
    elif [ -h "$line" ] || [ -h "$line/line" ] || ! [ -f "$line/line" ] || ! [ -r "$line/line" ] || ! [ -w "$line" ]; then
        echo "$line cannot be used to wait for GPUs: \`sudo install -d -m 1777 $line\` there, or set lock_dir" > refused
        return 1
    fi
    exec 7< "$line/line"
    flock 7
    last=0
    for other in "$line"/ticket.*.*; do
        number=${other#"$line"/ticket.}
        number=${number%%.*}
        number=${number#"${number%%[!0]*}"} # $((010)) is eight
        case $number in '' | *[!0-9]* | ??????????*) ;; *) [ "$number" -le "$last" ] || last=$number ;; esac
    done
    if [ "$last" = 999999999 ]; then
        echo "a ticket in $line has the last number there is: root, or its owner, can remove it" > refused
        exec 7<&-
        return 1
    fi
    ticket=$line/ticket.$(printf %06d $((last + 1))).$job
    # shellcheck disable=SC2086  # split on purpose
    (umask 022 && set -C && echo "$owner job=$job want=$want gpus=$(commas $gpus)" > "$ticket") 2>/dev/null
    if ! { [ -s "$ticket" ] && [ -O "$ticket" ] && [ ! -h "$ticket" ]; }; then
        rm -f "$ticket"
        echo "no ticket could be written in $line: is the disk full?" > refused
        return 1
    fi
    [ -z "$chosen" ] || echo "holds $chosen" >> "$ticket"
    exec 8< "$ticket"
    flock 8
}
# The GPUs of a container whose keeper was killed: who cannot ask Docker sees in the line alone that they are taken.
hold_gpus() {
    [ -s gpus ] && read -r chosen < gpus || return 0
    if join_line; then
        flock --unlock 7
        for other in "$line"/ticket.*."$job"; do
            [ "$other" = "$ticket" ] || rm -f "$other"
        done
    else
        ticket=
        rm -f refused # it runs all the same
    fi
}
leave_line() {
    [ -z "$ticket" ] || rm -f "$ticket"
    ticket= chosen=
    exec 8<&- 7<&-
}

# ahead: those before `mine` that wait for any of our GPUs; taken: the GPUs that somebody holds.
look_along_line() {
    mine=$1 ahead=0 taken=
    is_ticket "$mine"
    ours=$number
    for other in "$line"/ticket.*; do
        is_ticket "$other" && [ "$other" != "$mine" ] || continue
        if (flock --shared --nonblock 9) 9< "$other"; then
            [ ! -O "$other" ] || rm -f "$other" # dead, and ours to clear away
            continue
        fi 2>/dev/null
        theirs= holds=
        while read -r word rest; do
            case $word$rest in
            holds*) holds=$rest ;;
            *gpus=*) theirs=${rest##*gpus=} ;;
            esac
        done << END
$(head -c 2000 "$other" 2>/dev/null | tr -c '0-9a-z=\n' ' ')
END
        taken="$taken $holds"
        [ -z "$holds" ] && [ "$number" -lt "$ours" ] || continue
        for gpu in $theirs; do
            case " $gpus " in *" $gpu "*) ahead=$((ahead + 1)) && break ;; esac
        done
    done
}

# Strictly first come, first served: only who has nobody ahead takes GPUs, so that a wish for four is not starved by ones.
take_gpus() {
    join_line || return
    while [ ! -f stopped ]; do
        look_along_line "$ticket"
        chosen=
        [ "$ahead" -gt 0 ] || choose_gpus
        if [ -n "$chosen" ] && command -v ask > /dev/null; then
            # a container goes on without its keeper, and without its keeper's ticket
            taken="$taken $(ask ps --filter label=cosmos.gpus --format '{{.Label "cosmos.gpus"}}' | tr ',\n' '  ')"
            choose_gpus
        fi
        [ -z "$chosen" ] || [ -h "$ticket" ] || echo "holds $chosen" >> "$ticket"
        flock --unlock 7
        if [ -n "$chosen" ]; then
            echo "$chosen" > gpus
            return
        elif [ "$if_busy" = fail ]; then
            leave_line
            echo "$ahead ahead in the line, GPUs in use:${taken:- none}" > busy
            return 1
        fi
        [ "$ahead" -le 12 ] || ahead=12
        nap "$((ahead / 3)).$((ahead % 3 * 3 + 3))" # those at the back look seldom
        flock 7
    done
    return 1
}
choose_gpus() {
    chosen= count=0
    for gpu in $gpus; do
        [ "$count" -lt "$want" ] || break
        case " $taken " in *" $gpu "*) continue ;; esac
        chosen="${chosen:+$chosen }$gpu" count=$((count + 1))
    done
    [ "$count" = "$want" ] || chosen=
}

# How many are ahead of this job; nothing where it is not in the line.
place_in_line() {
    for mine in "$line"/ticket.*."$job"; do
        if is_ticket "$mine" && [ -O "$mine" ]; then break; fi
        mine=
    done
    [ -n "$mine" ] && [ -f "$line/line" ] && [ ! -h "$line/line" ] && exec 7< "$line/line" && flock --shared 7 || return
    look_along_line "$mine"
    echo "$ahead"
}

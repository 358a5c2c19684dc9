# What a store left on a host, looked at (`look`) or removed (`remove`, with a list on standard input).
# A job's folder is ours only if its job.json says so, in the line as we write it. Before anything goes it is looked at
# once more, and it has another name by the time that it goes: who is cut off leaves no half of a job under its own name.

mark=$1 mode=$2 work_dir=$3 lock_dir=$4 store=$5 docker=$6

limit='timeout 20'
command -v timeout > /dev/null || limit=
[ -z "$docker" ] || eval "docker() { \$limit $docker \"\$@\"; }"
say() { printf '%s %s\n' "$mark" "$*"; }
in_a_line() { tr -c '[:print:]' ' ' | head -c 300; }

ours() { # FOLDER
    [ -d "$1" ] && [ ! -h "$1" ] && [ -O "$1" ] && grep -qsxF "  \"store\": \"$store\"," "$1/job.json"
}
state_of() { # FOLDER
    if [ -f "$1/exit_code" ]; then
        echo ended
    elif [ -f "$1/job.sh" ]; then
        $limit sh "$1/job.sh" look 2> /dev/null < /dev/null || echo unknown
    else
        echo absent
    fi
}

# -- looking

look_at_jobs() {
    for folder in "$work_dir"/jobs/*/; do
        folder=${folder%/}
        ours "$folder" || continue
        # shellcheck disable=SC2046  # split on purpose
        set -- $(state_of "$folder")
        # the files that it shares with the cache, by their inodes
        shared=$(find "$folder/inputs" -type f -links +1 -exec stat -c %i {} + 2> /dev/null | tr '\n' ' ')
        say "job ${folder##*/} ${1:-unknown} $shared"
    done
    for folder in "$work_dir/jobs/.trash.$store".*/; do # somebody was cut off
        [ ! -O "${folder%/}" ] || [ -h "${folder%/}" ] || say "trash ${folder%/}"
    done
    say sizes
    du -k -d 1 "$work_dir/inputs" "$work_dir/jobs" 2> /dev/null # in this order: what is in both is the cache's
}
look_at_cache() {
    say cache
    find "$work_dir/inputs" -type f -exec stat -c '%h %s %Z %i %n' {} + 2> /dev/null
}
look_at_containers() {
    [ -n "$docker" ] || return 0
    say containers
    { complaints=$(docker ps --all --filter "label=cosmos.store=$store" \
        --format '{{.Names}}	{{.Label "cosmos.job"}}	{{.State}}' 2>&1 >&3 < /dev/null); } 3>&1
    say "code $?"
    printf '%s\n' "$complaints"
}

# -- removing

remove_job() { # NAME
    folder=$work_dir/jobs/$1
    if [ ! -e "$folder" ]; then
        say "gone job $1"
        return
    elif ! ours "$folder"; then
        say "kept job $1 it is not this database's"
        return
    fi
    state=$(state_of "$folder")
    case $state in
    ended* | gone* | idle* | absent*) ;;
    *)
        say "kept job $1 it is ${state:-unknown}"
        return
        ;;
    esac
    if [ -n "$(find "$folder" -type d ! -user "$(id -u)" -print 2> /dev/null | head -n 1)" ]; then
        say "kept job $1 somebody else has a folder in it: \`sudo chown -R $(id -un) $folder\`"
        return
    fi
    trash=$work_dir/jobs/.trash.$store.$1
    rm -rf -- "$trash"
    if why=$(mv -- "$folder" "$trash" 2>&1); then
        why=$(remove_trash "$trash" 2>&1)
    fi
    if [ -z "$why" ]; then say "gone job $1"; else say "kept job $1 $(echo "$why" | in_a_line)"; fi
}
remove_trash() { # FOLDER: what a program made unwritable is ours all the same; job.json, which says so, goes last
    chmod -R u+rwX -- "$1" 2> /dev/null
    find "$1" -mindepth 1 -maxdepth 1 ! -name job.json -exec rm -rf -- {} + && rm -rf -- "$1"
}

# Somebody may have linked it since it was looked at; once it has another name nobody can.
remove_cached() { # RELATIVE PATH
    file=$work_dir/inputs/$1
    if [ ! -f "$file" ] || [ -h "$file" ] || [ ! -O "$file" ]; then
        say "kept cache $1 it is not there any more"
        return
    fi
    trash=${file%/*}/.trash.$$
    mv -f -- "$file" "$trash" 2> /dev/null || return
    if [ "$(stat -c %h -- "$trash")" = 1 ]; then
        rm -f -- "$trash" && say "gone cache $1"
    else
        ln -- "$trash" "$file" 2> /dev/null # or it has been brought again
        rm -f -- "$trash"
        say "kept cache $1 a job uses it"
    fi
}
remove_container() { # NAME: without --force, so that one that runs stays
    if why=$(docker rm --volumes "$1" 2>&1 > /dev/null < /dev/null); then
        say "gone container $1"
    else
        say "kept container $1 $(echo "$why" | in_a_line)"
    fi
}

# Tickets of this account whose lock is free, as the line itself clears them away when somebody looks along it.
dead_tickets() {
    [ -f "$lock_dir/line" ] && [ ! -h "$lock_dir/line" ] && command -v flock > /dev/null || return 0
    exec 7< "$lock_dir/line"
    if $limit flock 7; then # nobody is between making a ticket and locking it
        for ticket in "$lock_dir"/ticket.*; do
            [ -f "$ticket" ] && [ ! -h "$ticket" ] && [ -O "$ticket" ] || continue
            (flock -s -n 9) 9< "$ticket" || continue
            if [ "$mode" = look ] || rm -f -- "$ticket"; then say "ticket ${ticket##*/}"; fi
        done
    fi 2> /dev/null
    exec 7<&-
}

say "host $(date +%s) $(uname -n)"
if [ "$mode" = look ]; then
    look_at_jobs
    look_at_cache
    look_at_containers
else
    while read -r what name; do
        case $what in
        job) remove_job "$name" ;;
        trash) remove_trash "$work_dir/jobs/.trash.$store.$name" 2> /dev/null && say "gone trash $name" ;;
        cache) remove_cached "$name" ;;
        container) remove_container "$name" ;;
        esac
    done
fi
dead_tickets < /dev/null
say end

# A look at a host, in one go: its GPUs and who uses them, the jobs in a work_dir, containers, the line for GPUs.
# Nothing is started, ended or written. It needs a POSIX shell; what else is missing is left out.
# Every part begins with a word that cannot be guessed, so that what programs say is not taken for ours.

mark=$1 work_dir=$2 lock_dir=$3 patience=$4 docker=$5
shift 5 # the folders of jobs that are asked for by name

began=$(date +%s)
limit="timeout $patience"
command -v timeout > /dev/null || limit=
[ -z "$docker" ] || eval "docker() { \$limit $docker \"\$@\"; }"

say() { printf '%s %s\n' "$mark" "$*"; }
in_time() { [ $(($(date +%s) - began)) -lt "$patience" ]; }
told() { # PART COMMAND...: what a program answers, then its exit code, and what it complained of
    say "$1"
    shift
    { complaints=$("$@" < /dev/null 2>&1 >&3); } 3>&1
    say "code $?"
    printf '%s\n' "$complaints"
}

ask_docker() {
    [ -n "$docker" ] || return 0
    told containers docker ps --no-trunc --filter label=cosmos.job --format \
        '{{.ID}}\t{{.Names}}\t{{.Label "cosmos.job"}}\t{{.Label "cosmos.store"}}\t{{.Label "cosmos.user"}}\t{{.Label "cosmos.run"}}\t{{.Label "cosmos.gpus"}}'
}

# Who a process is of: our job by its environment where that may be read, a container by its control group.
tell_users() { # PID...
    for pid; do
        [ -d "/proc/$pid" ] || continue
        # shellcheck disable=SC2046  # split on purpose
        set -- $(ls -ld "/proc/$pid")
        job=$(tr '\0' '\n' < "/proc/$pid/environ" | sed -n 's/^COSMOS_JOB=//p')
        container=$(sed -n 's/.*\([0-9a-f]\{64\}\).*/\1/p' "/proc/$pid/cgroup" | head -n 1)
        say "process $pid $3 ${job:--} ${container:--}"
    done 2> /dev/null
}

# Tickets are locked while alive; all are opened for reading only, as in the line itself. What is no plain file, or has no
# name that a ticket gets, is none: anybody may put anything there.
tell_line() (
    [ -d "$lock_dir" ] || exit
    locks=
    ! command -v flock > /dev/null || locks=yes
    if [ -n "$locks" ] && [ -f "$lock_dir/line" ] && [ ! -h "$lock_dir/line" ] && [ -r "$lock_dir/line" ]; then
        exec 7< "$lock_dir/line"
        $limit flock -s 7 # nobody is between making a ticket and locking it
    fi
    for ticket in "$lock_dir"/ticket.*; do
        [ -f "$ticket" ] && [ ! -h "$ticket" ] && [ -r "$ticket" ] && in_time || continue
        case ${ticket##*/} in *[!A-Za-z0-9._-]*) continue ;; esac
        life=unknown
        if [ -n "$locks" ]; then
            if (flock -s -n 9) 9< "$ticket"; then life=dead; else life=alive; fi
        fi
        # shellcheck disable=SC2046  # split on purpose
        set -- $(stat -c '%Y %U' "$ticket" || stat -f '%m %Su' "$ticket")
        case $1 in
        '') continue ;; # it went while we looked
        -* | ???????????*) set -- "$began" "$2" ;; # no time that anybody waited since
        esac
        say "ticket ${ticket##*/} $life $1 $2"
        head -c 2000 "$ticket"
        echo
    done
) 2> /dev/null < /dev/null

tell_job() { # FOLDER
    state=absent
    if [ -f "$1/job.sh" ]; then
        state=unknown
        ! in_time || state=$($limit sh "$1/job.sh" look) || state=unknown
    fi
    started= chosen=
    [ ! -r "$1/started" ] || read -r started < "$1/started"
    [ ! -r "$1/gpus" ] || read -r chosen < "$1/gpus"
    say "job $1"
    printf '%s\n%s\n%s\n' "$state" "$started" "$chosen"
    [ ! -r "$1/job.json" ] || cat "$1/job.json"
} 2> /dev/null < /dev/null

tell_jobs() { # FOLDER...: these, and all that have no end
    for folder; do tell_job "$folder"; done
    for folder in "$work_dir"/jobs/*/; do
        folder=${folder%/}
        [ -f "$folder/job.sh" ] && [ ! -f "$folder/exit_code" ] || continue
        for known; do [ "$known" != "$folder" ] || continue 2; done
        tell_job "$folder"
    done
}

say "host $began $(uname -n)"
# nvidia-smi takes a second or two on many hosts: programs that are slow work at the same time, behind one another's pipes
# shellcheck disable=SC2086  # split on purpose
told apps $limit nvidia-smi --query-compute-apps=gpu_uuid,pid,used_memory --format=csv,noheader,nounits | {
    ask_docker | {
        # shellcheck disable=SC2086  # split on purpose
        told gpus $limit nvidia-smi --format=csv,noheader,nounits \
            --query-gpu=index,uuid,driver_version,name,memory.total,memory.used,utilization.gpu
        tell_line
        tell_jobs "$@"
        cat
    }
    apps=$(cat)
    printf '%s\n' "$apps"
    # shellcheck disable=SC2046  # split on purpose
    tell_users $(printf '%s\n' "$apps" | sed -n 's/^[^ ]*, *\([0-9][0-9]*\), .*/\1/p')
}
say end

#!/bin/sh
# One job on its host: `sh job.sh start | look | stop`.
# It claims its folder, runs the work in a session of its own, keeps the log and the time limit, and writes
# exit_code as its last act. It needs nothing but a POSIX shell, and nobody has to be watching.

@SETTINGS@

cd "$dir" || exit 1

# A process is known by its number, its birth and the boot of the machine: numbers alone are used again.
# Read by the shell itself where it can: a dozen small programs would take longer than all the rest.
boot() {
    { read -r id < /proc/sys/kernel/random/boot_id || id=$(sysctl -n kern.boottime | tr -d ' '); } 2>/dev/null
    echo "$id"
}
born() {
    if [ -d /proc/self ]; then
        { read -r line < "/proc/$1/stat"; } 2>/dev/null || return
        set -- ${line##*) }
        [ "$1" = Z ] || echo "${20}"
    else
        ps -o lstart= -p "$1" 2>/dev/null | tr -d ' \n'
    fi
}

# Every process of the work carries the job's id: workers that started sessions of their own are found as well.
# Where there is no /proc, those of the keeper's process group.
workers() {
    if [ -d /proc/self ]; then
        grep -lsxzF "COSMOS_JOB=$job" /proc/[0-9]*/environ | cut -d/ -f3
    else
        set -- $(readlink claim)
        pgrep -g "${1:-0}" | grep -vx "${1:-0}"
    fi
}

# claim is a symbolic link: made in one step, complete with all it has to say.
keeper_lives() {
    set -- $(readlink claim)
    [ $# = 3 ] && [ "$2" = "$(born "$1")" ] && [ "$3" = "$(boot)" ]
}

finish() { echo "$1" > exit_code.part && mv exit_code.part exit_code; }

stop_workers() {
    tenths=0
    signal=TERM
    while left=$(workers) && [ -n "$left" ]; do
        kill -"$signal" $left 2>/dev/null
        sleep 0.1 2>/dev/null || sleep 1
        tenths=$((tenths + 1))
        [ "$tenths" -lt "$grace" ] || signal=KILL
    done
}

expire() {
    seconds=0
    while [ "$seconds" -lt "$limit" ]; do
        sleep 1
        kill -0 "$me" 2>/dev/null || [ -n "$(workers)" ] || exit # a keeper may be killed, and its work go on
        seconds=$((seconds + 1))
    done
    : > timed_out
    stop_workers
}

keep() { # NAME=VALUE ...
    trap : TERM INT HUP
    { read -r me _ < /proc/self/stat || me=$(exec sh -c 'echo "$PPID"'); } 2>/dev/null # $$ is our parent's
    ln -s "$me $(born "$me") $(boot)" claim 2>/dev/null || exit 0
    : > started
    (
        trap - TERM INT HUP
        COSMOS_JOB=$job
        export COSMOS_JOB
        while [ $# -gt 0 ]; do # only here: a secret called `limit` or `PATH` is the work's, not ours
            export "$1"
            shift
        done
        work
    ) &
    worker=$!
    timer=
    if [ -n "$limit" ]; then
        expire &
        timer=$!
    fi
    wait "$worker"
    code=$?
    while kill -0 "$worker" 2>/dev/null; do # a signal to us ended the wait, not the work
        wait "$worker"
        code=$?
    done
    [ -z "$timer" ] || kill "$timer" 2>/dev/null # what ended in time did, though its leftovers may take a while
    stop_workers
    finish "$code"
}

case $1 in
start)
    # Secrets come on standard input and stay in memory: NAME=VALUE lines.
    shift
    while IFS= read -r line; do
        set -- "$@" "$line"
    done
    (
        exec </dev/null >>run.log 2>&1 # not as redirections of a function: dash keeps copies of the old ones open
        keep "$@"
    ) &
    ;;
look)
    if [ -f exit_code ]; then
        echo "ended $(cat exit_code)"
    elif [ ! -h claim ]; then
        echo unclaimed
    elif keeper_lives || [ -n "$(workers)" ]; then
        echo alive
    elif [ -f exit_code ]; then # it ended while we looked
        echo "ended $(cat exit_code)"
    else
        echo gone
    fi
    ;;
stop)
    [ -f exit_code ] && exit
    : > stopped
    if ln -s stopped claim 2>/dev/null; then
        finish 143 # nobody had started it, and now nobody will
    else
        stop_workers
        while [ ! -f exit_code ] && keeper_lives; do
            sleep 0.1 2>/dev/null || sleep 1
            stop_workers
        done
        [ -f exit_code ] || finish 143 # its keeper is dead, and now so is its work
    fi
    ;;
esac

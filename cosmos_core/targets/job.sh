#!/bin/sh
# One job on its host: `sh job.sh start | look | stop`.
# Its keeper claims the folder, waits for GPUs, starts the work, keeps the log and the time limit, and writes exit_code
# as its last act. Nobody has to be watching. It needs a POSIX shell; Docker and flock only where they are used.

@SETTINGS@
state='' keeper='' worker='' chosen='' ticket='' away=''

cd "$dir" || exit 1

# A process is known by its number, its birth and the boot of the machine: numbers alone are used again.
# Read by the shell itself where it can: a dozen small programs would take longer than all the rest.
boot() {
    { read -r id < /proc/sys/kernel/random/boot_id || id=$(sysctl -n kern.boottime | tr -d ' '); } 2>/dev/null
    echo "$id"
}
born() {
    if [ -d /proc/self ]; then
        { read -r told < "/proc/$1/stat"; } 2>/dev/null || return
        # shellcheck disable=SC2086  # split on purpose
        set -- ${told##*) }
        [ "$1" = Z ] || echo "${20}"
    else
        ps -o lstart= -p "$1" 2>/dev/null | tr -d ' \n'
    fi
}

# A claim is a symbolic link: made in one step, complete with all it has to say. Claims are numbered: where a keeper died
# before the work began, or left a container to itself, the next one claims anew, and nobody else can.
newest_claim() {
    claims=0
    while [ -h "claim.$((claims + 1))" ]; do claims=$((claims + 1)); done
}
lives() { # LINK; then `pid` is the process that it names
    [ -h "$1" ] || return
    # shellcheck disable=SC2046  # split on purpose
    set -- $(readlink "$1")
    [ $# -gt 0 ] || exit 1 # it cannot be read, as where no more processes can be started: nothing is known then
    [ $# = 3 ] && [ "$2" = "$(born "$1")" ] && [ "$3" = "$(boot)" ] && pid=$1
}
keeper_lives() {
    newest_claim
    lives "claim.$claims" && keeper=$pid
}
know_me() { # $$ is our parent's
    { read -r me _ < /proc/self/stat || me=$(exec sh -c 'echo "$PPID"'); } 2>/dev/null
}

# Processes of ours carry the job's id, or write its log: workers that started sessions of their own are found as well,
# and those that wrote a title over their environment (seen with Python's setproctitle 1.3.8).
# Where there is no /proc, those of the keeper's process group.
processes() {
    if [ -d /proc/self ]; then
        # shellcheck disable=SC2013  # words are meant: paths in /proc
        for one in $(grep -lsxzF "COSMOS_JOB=$job" /proc/[0-9]*/environ); do
            one=${one#/proc/}
            echo "${one%/environ}"
        done
        for one in /proc/[0-9]*; do
            # shellcheck disable=SC3013  # dash, busybox and bash all have -ef
            [ ! "$one/fd/1" -ef run.log ] || echo "${one#/proc/}"
        done
    else
        newest_claim
        # shellcheck disable=SC2046  # split on purpose
        set -- $(readlink "claim.$claims")
        # shellcheck disable=SC2046  # split on purpose
        set -- "${1:-0}" $(readlink waiter)
        pgrep -g "$1" | grep -vx -e "$1" -e "${2:-0}"
    fi
}
end_processes() { # TERM, wait, KILL
    tenths=0
    signal=TERM
    while left=$(processes) && [ -n "$left" ]; do
        # shellcheck disable=SC2086  # split on purpose
        kill -"$signal" $left 2>/dev/null
        sleep 0.1 2>/dev/null || sleep 1
        tenths=$((tenths + 1))
        [ "$tenths" -lt "$grace" ] || signal=KILL
    done
}

commas() { # 0 1 2
    IFS=,
    echo "$*"
}

nap() { # a signal ends it
    { sleep "$1" 2>/dev/null || sleep 1; } 7<&- 8<&- &
    wait $!
}

@RUNTIME@

@LINE@

# exit_code is written into a block that was there from the start: a full disk must not swallow it.
reserve() { [ -e "$1" ] || printf '%-9s\n' '' > "$1"; }
write_code() { # CODE FILE
    until printf '%-9s\n' "$1" 1<> "$2.part" && mv "$2.part" "$2"; do nap 1; done
}
finish() {
    write_code "$1" exit_code
    leave_line
    clean_up
    exit 0
}

expire() {
    begun=
    read -r begun < started
    seconds=$(($(date +%s) - ${begun:-$(date +%s)})) # on a full disk nobody wrote when that was
    while [ "$seconds" -lt "$limit" ]; do
        sleep 1
        kill -0 "$me" 2>/dev/null || work_goes_on || exit # a keeper may be killed, and its work go on
        seconds=$((seconds + 1))
    done
    : > timed_out
    stop_work
}

keep() { # NAME=VALUE ...
    trap : TERM INT HUP
    know_me
    ! keeper_lives || exit
    ln -s "$me $(born "$me") $(boot)" "claim.$((claims + 1))" 2>/dev/null || exit
    [ ! -f exit_code ] || exit
    reserve exit_code.part
    [ -e run.log ] || : > run.log
    [ "$claims" = 0 ] || take_over # from an earlier keeper
    case ${state:-none} in
    away | alive) exit ;;
    none)
        [ ! -f started ] || exit # it ran, and what became of it is for others to judge
        take_gpus || { [ -f stopped ] && finish 143; } || exit
        [ ! -f stopped ] || finish 143
        start_work "$@" || { leave_line && exit; }
        ;;
    esac
    [ -f started ] || date +%s > started
    timer=
    if [ -n "$limit" ]; then
        expire 7<&- 8<&- &
        timer=$!
    fi
    await_work
    [ -z "$timer" ] || kill "$timer" 2>/dev/null # what ended in time did, though its leftovers may take a while
    end_leftovers
    finish "$code"
}

begin() { # NAME=VALUE ...
    (
        exec < /dev/null >> keeper.log 2>&1 # not as redirections of a function: dash keeps copies of the old ones open
        keep "$@"
    ) &
}

look() {
    if keeper_lives; then
        if [ -f started ]; then echo alive; elif place=$(place_in_line); then echo "waiting $place"; else echo starting; fi
        return
    fi
    [ "$claims" = 0 ] || work_state
    case ${state:-none} in
    away) echo away ;;
    untended) echo untended ;; # its keeper is dead, and a new one can collect what it comes to
    alive) echo alive ;;
    none)
        if [ -f exit_code ]; then # it ended while we looked
            tell_end
        elif [ -f started ]; then
            echo gone
        else
            echo idle # nothing of it ever ran: it may be started
        fi
        ;;
    esac
}
tell_end() {
    read -r code < exit_code
    echo "ended $code"
}

stop() {
    : > stopped
    while [ ! -f exit_code ]; do
        state=
        if keeper_lives; then
            kill -TERM "$keeper" 2>/dev/null # it may be napping
            [ ! -f started ] || stop_work
        else
            stop_work
            work_state
            case $state in
            none) # its keeper is dead or nobody had started it, and now nobody will
                if ln -s stopped "claim.$((claims + 1))" 2>/dev/null; then
                    reserve exit_code.part
                    finish 143
                fi
                ;;
            untended) begin ;;
            esac
        fi
        if [ "$state" = away ]; then
            echo "$away" >&2
            exit 1
        fi
        [ -f exit_code ] || sleep 0.1 2>/dev/null || sleep 1
    done
}

case $1 in
start)
    # Secrets come on standard input and stay in memory: NAME=VALUE lines.
    shift
    while IFS= read -r secret; do
        set -- "$@" "$secret"
    done
    (true >> keeper.log) && { [ ! -e busy ] && [ ! -e refused ] || rm -f busy refused; } && begin "$@"
    ;;
look) if [ -f exit_code ]; then tell_end; else look; fi ;;
stop) [ -f exit_code ] || stop ;;
esac

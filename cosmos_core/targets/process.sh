# -- the work is a plain process, and all that comes of it. A shell of its own waits for it and writes work_code: the
# keeper may be killed, and how the work ended is known all the same

work_state() { # none; untended: a new keeper can collect its end; alive: the waiting shell was killed, too
    state=untended
    if lives waiter || [ -s work_code ]; then return; fi
    state=none
    case $(processes && echo .) in
    .) ;;
    *.) state=alive ;;
    *) exit 1 ;; # nobody could look
    esac
}
take_over() { work_state; }
work_goes_on() { [ -n "$(processes)" ]; }

start_work() { # NAME=VALUE ...
    date +%s > started
    reserve work_code.part
    wait_for_work "$@" &
    worker=$!
}
wait_for_work() { # NAME=VALUE ...
    trap : TERM INT HUP
    exec 7<&- # the ticket stays open: as long as any of the work lives, it holds its GPUs
    know_me
    ln -s "$me $(born "$me") $(boot)" waiter
    [ ! -f exit_code ] || exit # the keeper was killed before that, and the job was stopped since
    (
        trap - TERM INT HUP
        exec >> run.log 2>&1
        COSMOS_JOB=$job
        export COSMOS_JOB
        if [ -n "$chosen" ]; then
            # shellcheck disable=SC2086  # split on purpose
            CUDA_VISIBLE_DEVICES=$(commas $chosen)
            export CUDA_VISIBLE_DEVICES
        fi
        while [ $# -gt 0 ]; do # only here: a secret called `limit` or `PATH` is the work's, not ours
            # shellcheck disable=SC2163  # $1 is NAME=VALUE
            export "$1"
            shift
        done
        work
    ) &
    await $!
    write_code "$code" work_code
}
await() { # PID: a signal to us ends the wait, not the child
    wait "$1"
    code=$?
    while kill -0 "$1" 2>/dev/null; do
        wait "$1"
        code=$?
    done
}
await_work() {
    [ -z "$worker" ] || await "$worker"
    while [ ! -s work_code ] && { lives waiter || work_goes_on; }; do nap 0.5; done # it is not our child, or was killed
    if [ ! -s work_code ]; then
        leave_line
        exit # nobody knows how it ended
    fi
    read -r code < work_code
}
stop_work() { end_processes; }
end_leftovers() { end_processes; }
clean_up() { [ ! -e work_code.part ] || rm -f work_code.part; }

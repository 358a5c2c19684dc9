# -- the work is a plain process, and all that comes of it

work_state() { # none, alive; left to itself it goes on, and how it ends nobody will know
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
    (
        trap - TERM INT HUP
        exec >> run.log 2>&1 7<&- # the ticket stays open: as long as any of the work lives, it holds its GPUs
        COSMOS_JOB=$job
        export COSMOS_JOB
        if [ -n "$chosen" ]; then
            CUDA_VISIBLE_DEVICES=$(echo "$chosen" | tr ' ' ,)
            export CUDA_VISIBLE_DEVICES
        fi
        while [ $# -gt 0 ]; do # only here: a secret called `limit` or `PATH` is the work's, not ours
            # shellcheck disable=SC2163  # $1 is NAME=VALUE
            export "$1"
            shift
        done
        work
    ) &
    worker=$!
}
await_work() {
    wait "$worker"
    code=$?
    while kill -0 "$worker" 2>/dev/null; do # a signal to us ended the wait, not the work
        wait "$worker"
        code=$?
    done
}
stop_work() { end_processes; }
end_leftovers() { end_processes; }
clean_up() { :; }

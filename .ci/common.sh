# What .ci/run, .ci/matrix and .ci/sanitize share.  They all work on a copy of the
# checkout, committed or not, in a temporary directory: the checkout stays as it is.

set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tree=$scratch/tree

cc=${CC:-$(command -v cc || command -v gcc || command -v clang)}
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_QUIET=2
export PYTEST_ADDOPTS="--durations=10 --durations-min=1"

# The warnings that are errors, and those that Cython's generated C cannot avoid.
strict="-Werror -Wall -Wextra -Wno-unused-parameter -Wno-unused-function -Wno-sign-compare \
-Wno-missing-field-initializers"
# An alignment or an out-of-range conversion to int is as undefined as an overflow.
sanitizers="-fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all"

failed=0
summary=

# copy_tree TO: what git tracks or would track; everything, where there is no git.
copy_tree() {
    mkdir -p "$1"
    if git -C "$root" rev-parse --git-dir >/dev/null 2>&1; then
        (cd "$root" && git ls-files -z --cached --others --exclude-standard |
            while IFS= read -r -d '' file; do
                [ ! -e "$file" ] || printf '%s\0' "$file"
            done | tar --null --files-from - -cf -) | tar -C "$1" -xf -
    else
        cp -R "$root/." "$1"
    fi
}

# readme_command NAME: the block of README.md that follows <!-- ci: NAME -->, as written.
readme_command() {
    awk -v mark="<!-- ci: $1 -->" '
        $0 == mark     { marked = 1; next }
        marked && /^```/ { if (inside) exit; inside = 1; next }
        inside         { print; found = 1 }
        END            { exit !found }
    ' "$root/README.md" || { echo "README.md has no command marked 'ci: $1'" >&2; return 1; }
}

# environment PYTHON DIRECTORY: a new, empty virtual environment.
environment() {
    "$1" -m venv "$2"
}

# in_environment DIRECTORY COMMAND...: run with that environment's python and pip first.
in_environment() {
    local directory=$1
    shift
    PATH="$directory/bin:$PATH" "$@"
}

# sanitized_suite SOURCE ENVIRONMENT [PYTEST ARGUMENT...]: build the core in SOURCE with
# the sanitizers and run the tests on it.
sanitized_suite() {
    local source=$1 python=$2/bin/python runtime library
    shift 2
    cd "$source"
    FASTAD_CFLAGS="-O1 -g -fno-omit-frame-pointer $sanitizers" FASTAD_LDFLAGS=$sanitizers \
        "$python" setup.py --quiet build_ext --inplace
    # Python itself is not instrumented, so the runtime has to come first; libstdc++ with
    # it, or the runtime cannot find what SciPy's exceptions are thrown with.
    runtime=
    for library in libasan.so libstdc++.so.6; do
        runtime+="$("$cc" -print-file-name=$library) "
    done
    export PYTHONPATH=$source PYTHONMALLOC=malloc LD_PRELOAD=$runtime
    export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1
    export UBSAN_OPTIONS=print_stacktrace=1
    "$python" -c "import fastad; print(fastad._core.__file__)" | tee "$scratch/imported"
    [ "$(cat "$scratch/imported")" = "$(echo "$PWD"/fastad/_core*.so)" ]
    grep -q __asan_init "$(cat "$scratch/imported")"
    "$python" -m pytest "$@"
}

# stage NAME FUNCTION [ARGUMENT...]: run it, note how long it took and whether it failed.
stage() {
    local name=$1 begin=$SECONDS status verdict=ok log=$scratch/log
    shift
    echo
    echo "=== $name"
    (set -e; "$@") </dev/null 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    if [ "$status" -ne 0 ]; then
        verdict="FAILED ($status)"
        failed=1
    fi
    # The runners' closing lines, without pytest's ruler.
    local closing
    closing=$(grep -E '^(=+ )?[0-9]+ (passed|failed|skipped|error|deselected).* in [0-9]|^[0-9]+ passed, [0-9]+ failed' \
        "$log" | sed -E 's/^=+ //; s/ =+$//' | paste -sd ';')
    summary+=$(printf '%-34s %4d s  %s' "$name" $((SECONDS - begin)) "$verdict${closing:+: $closing}")$'\n'
    return "$status"
}

# finish: the summary, and the exit status of the whole run.
finish() {
    echo
    echo "=== summary"
    printf '%s' "$summary"
    printf '%-34s %4d s  %s\n' total "$SECONDS" "$([ $failed = 0 ] && echo ok || echo FAILED)"
    exit $failed
}

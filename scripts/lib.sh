# Functions that the scripts share. Source it from the repository's root; it changes nothing.

LINTER_VERSION=v2.15.0
LINTER="${XDG_CACHE_HOME:-$HOME/.cache}/sluice/golangci-lint-$LINTER_VERSION/golangci-lint"

have_mariadb() {
	command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ]
}

mariadb_version() {
	PATH="$PATH:/usr/sbin" mariadbd --version | grep -o '[0-9][0-9.]*-MariaDB' | head -n 1
}

# fuzz_targets prints a line for each fuzz target: its package's directory and its name.
fuzz_targets() {
	grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . |
		sed -E 's,^(.*)/[^/]*:func (.*)$,\1 \2,' | sort
}

# failpoint_packages prints the packages with tests that need failpoints.
failpoint_packages() {
	grep -rl --include='*_test.go' '^//go:build failpoint' . | xargs -r -n 1 dirname | sort -u
}

# machine prints one line that describes this machine.
machine() {
	local cpu
	cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
	echo "$(nproc) × ${cpu:-$(uname -m)}, $(uname -s) $(uname -r), $(go env GOVERSION)"
}

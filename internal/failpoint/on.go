//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Enabled reports whether this build has failpoints.
const Enabled = true

var armed = parse(os.Getenv("SLUICE_FAILPOINT"))

type point struct {
	name   string
	signal syscall.Signal
	left   atomic.Int64
}

func parse(s string) *point {
	if s == "" {
		return nil
	}
	f := strings.Split(s, ":")
	p := &point{name: f[0]}
	n := int64(1)
	var err error
	if len(f) == 3 {
		n, err = strconv.ParseInt(f[2], 10, 64)
	}
	switch {
	case err != nil || len(f) < 2 || len(f) > 3 || n < 1:
		panic("SLUICE_FAILPOINT=" + s + ": must be NAME:kill|stop[:N]")
	case f[1] == "kill":
		p.signal = syscall.SIGKILL
	case f[1] == "stop":
		p.signal = syscall.SIGSTOP
	default:
		panic("SLUICE_FAILPOINT=" + s + ": unknown action " + f[1])
	}
	p.left.Store(n)
	return p
}

// Hit marks that execution reaches the named point, and carries out its action if it is armed and due.
func Hit(name string) {
	if armed == nil || armed.name != name || armed.left.Add(-1) != 0 {
		return
	}
	fmt.Fprintln(os.Stderr, "failpoint", name, armed.signal)
	if err := syscall.Kill(os.Getpid(), armed.signal); err != nil {
		panic(err)
	}
	if armed.signal == syscall.SIGKILL {
		select {} // nothing must happen until the signal arrives
	}
}

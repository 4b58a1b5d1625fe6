package jvmtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// startWait is how long a server may take to reply or to exit: usually 5 s, many times that on a loaded machine.
const startWait = 90 * time.Second

// process is one JVM that can be restarted.
type process struct {
	name string
	args []string // of java
	log  string   // the file to which its output is appended

	cmd     *exec.Cmd // nil while it does not run
	ended   chan struct{}
	guard   *exec.Cmd
	guardIn io.Closer
}

// quick returns JVM options for a fast start and little memory, because these servers run for seconds.
func quick(heap string) []string {
	return []string{"-Xmx" + heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true",
		"-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"}
}

func (p *process) start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("java", p.args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = filepath.Dir(p.log)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C must reach the tests, not their servers
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	ended := make(chan struct{})
	go func() { // ends when the JVM exits, for which end waits
		_ = cmd.Wait()
		close(ended)
	}()
	p.cmd, p.ended = cmd, ended
	if err := p.startGuard(); err != nil {
		return errors.Join(err, p.end(syscall.SIGKILL))
	}
	return nil
}

// startGuard starts the shell that kills the JVM when the end of this process closes the pipe.
func (p *process) startGuard() error {
	p.guard = exec.Command("/bin/sh", "-c", `trap '' INT TERM; read x; kill -9 "$1"`, "sh", strconv.Itoa(p.cmd.Process.Pid))
	p.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := p.guard.StdinPipe()
	if err != nil {
		return err
	}
	p.guardIn = in
	return p.guard.Start()
}

// end sends the signal and waits until the process has exited. It does nothing if the process does not run.
func (p *process) end(sig syscall.Signal) error {
	if p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end %s: %w", p.name, err)
	}
	timer := time.NewTimer(startWait)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		return fmt.Errorf("%s did not exit within %v of %v", p.name, startWait, sig)
	}
	if p.guard.Process != nil { // first, so that it cannot kill another process that gets the same PID
		_ = p.guard.Process.Kill()
		_ = p.guard.Wait()
	}
	_ = p.guardIn.Close()
	p.cmd = nil
	return nil
}

// await polls until answers returns nil.
func (p *process) await(ctx context.Context, answers func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.ended:
			return fmt.Errorf("%s exited at start:\n%s", p.name, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s did not reply within %v: %w:\n%s", p.name, startWait, err, p.tail())
		}
	}
}

// tail returns the end of the log.
func (p *process) tail() []byte {
	const most = 8000
	out, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	if len(out) > most {
		out = out[len(out)-most:]
		if i := bytes.IndexByte(out, '\n'); i >= 0 {
			out = out[i+1:]
		}
	}
	return out
}

// cleanup stops the process at the end of the test, and prints its log if the test failed.
func (p *process) cleanup(t testing.TB) {
	t.Cleanup(func() {
		if err := p.end(syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("%s:\n%s", p.name, p.tail())
		}
	})
}

// Need downloads the jars of the sets before the test's own time limit starts, and skips the test if they are not
// available.
func Need(t testing.TB, sets ...Set) {
	t.Helper()
	for _, set := range sets {
		_, err := ClassPath(t.Context(), set)
		must(t, err)
	}
}

// must fails the test on an error, or skips it if this machine lacks what is needed.
func must(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrUnavailable) && os.Getenv("ETL_TEST_REQUIRE_JVM") == "":
		t.Skipf("CANNOT RUN: %v", err)
	default:
		t.Fatal(err)
	}
}

// freePort returns a port of 127.0.0.1 on which no socket listens, below the system's ephemeral ports, so that it is
// still free when a server starts seconds later.
func freePort() (int, error) {
	var err error
	for range 100 {
		port := 15_000 + rand.IntN(15_000)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}

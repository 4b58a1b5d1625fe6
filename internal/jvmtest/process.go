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

// startWait bounds how long a server may take to answer, or to end: 5 s is usual, a loaded machine takes many times
// that.
const startWait = 90 * time.Second

// process is one JVM that can be started again.
type process struct {
	name string
	args []string // of java
	log  string   // the file that its output is appended to

	cmd     *exec.Cmd // nil while it does not run
	ended   chan struct{}
	guard   *exec.Cmd
	guardIn io.Closer
}

// quick makes a JVM start soon and stay small: these servers live for seconds.
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
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for the tests, not for their servers
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	ended := make(chan struct{})
	go func() { // ends with the JVM, which end waits for
		_ = cmd.Wait()
		close(ended)
	}()
	p.cmd, p.ended = cmd, ended
	if err := p.startGuard(); err != nil {
		return errors.Join(err, p.end(syscall.SIGKILL))
	}
	return nil
}

// startGuard starts the shell that kills the JVM when whatever ends us closes the pipe.
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

// end sends the signal and waits until the process is gone. It does nothing to one that is not there.
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
		return fmt.Errorf("%s did not end within %v of %v", p.name, startWait, sig)
	}
	if p.guard.Process != nil { // first, so that it does not kill whoever gets the number next
		_ = p.guard.Process.Kill()
		_ = p.guard.Wait()
	}
	_ = p.guardIn.Close()
	p.cmd = nil
	return nil
}

// await polls until answers says yes.
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
			return fmt.Errorf("%s ended at start:\n%s", p.name, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s did not answer within %v: %w:\n%s", p.name, startWait, err, p.tail())
		}
	}
}

// tail is the end of the log.
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

// cleanup ends the process with the test, and shows its log where the test failed.
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

// Need has the jars of the sets downloaded, before the test's own time begins to run, and skips the test where they
// cannot be had.
func Need(t testing.TB, sets ...Set) {
	t.Helper()
	for _, set := range sets {
		_, err := ClassPath(t.Context(), set)
		must(t, err)
	}
}

// must ends the test on an error; where this machine lacks what is needed, the test is skipped.
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

// freePort is a port of 127.0.0.1 that nobody listens on, below those that the system gives to connections: a server
// that starts seconds later finds it free.
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

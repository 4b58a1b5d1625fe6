package etltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Process is one running etl.
type Process struct {
	name   string
	admin  string // host:port of its admin listener
	cmd    *exec.Cmd
	log    string
	ended  chan struct{} // closed when the process has exited and err is set
	err    error
	doomed atomic.Bool // the test expects it to exit
}

// processes are those of all tests.
var processes struct {
	sync.Mutex
	all []*Process
}

// Start starts the etl program at path with the arguments. failpoint is the value of SLUICE_FAILPOINT, or empty. The
// process is killed at the end of the test at the latest. If the test fails, the end of its log, a file in dir, is
// printed.
func Start(t testing.TB, binary, dir, failpoint string, args ...string) *Process {
	t.Helper()
	p := &Process{admin: FreeAddr(t), ended: make(chan struct{})}
	p.doomed.Store(strings.Contains(failpoint, ":kill"))
	processes.Lock()
	processes.all = append(processes.all, p)
	p.name = fmt.Sprintf("etl-%d", len(processes.all))
	processes.Unlock()
	p.log = filepath.Join(dir, p.name+".log")
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.cmd = exec.Command(binary, append(args, "--admin-listen="+p.admin)...)
	p.cmd.Env = withoutETL(os.Environ())
	if failpoint != "" {
		p.cmd.Env = append(p.cmd.Env, "SLUICE_FAILPOINT="+failpoint)
	}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.doomed.Store(true)
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("%s %v\n%s", p.name, p.err, Tail(p.log, 6000))
		}
	})
	return p
}

func withoutETL(env []string) []string {
	var kept []string
	for _, v := range env {
		if !strings.HasPrefix(v, "ETL_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// AwaitKilled waits until the process is killed by SIGKILL, which its failpoint sends. Any other exit fails the test.
func (p *Process) AwaitKilled(ctx context.Context, t testing.TB) {
	t.Helper()
	select {
	case <-p.ended:
	case <-ctx.Done():
		t.Fatalf("%s: its failpoint was not hit: %v", p.name, context.Cause(ctx))
	}
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("%s exited, expected SIGKILL by its failpoint: %v", p.name, p.err)
	}
}

// Kill kills the process with SIGKILL and waits until it has exited.
func (p *Process) Kill(t testing.TB) {
	t.Helper()
	p.doomed.Store(true)
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	<-p.ended
}

// Stop stops the process with SIGTERM, and expects exit code 0.
func (p *Process) Stop(ctx context.Context, t testing.TB) {
	t.Helper()
	p.doomed.Store(true)
	p.Signal(t, syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-ctx.Done():
		t.Fatalf("%s did not exit after SIGTERM: %v", p.name, context.Cause(ctx))
	}
	if p.err != nil {
		t.Fatalf("%s after SIGTERM: %v, expected exit code 0", p.name, p.err)
	}
}

// Signal sends a signal to the process.
func (p *Process) Signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("%s: signal %v: %v", p.name, sig, err)
	}
}

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Ready reports whether /readyz returns 200.
func (p *Process) Ready(ctx context.Context) bool {
	code, _ := p.get(ctx, "/readyz")
	return code == http.StatusOK
}

// Readiness returns the text of /readyz, which names what is degraded and why, or an empty text if there is no reply.
func (p *Process) Readiness(ctx context.Context) string {
	_, text := p.get(ctx, "/readyz")
	return text
}

// Metrics returns the text of /metrics, or an empty text if there is no reply.
func (p *Process) Metrics(ctx context.Context) string {
	_, text := p.get(ctx, "/metrics")
	return text
}

// get sends a request to the admin listener; the code is 0 if there is no reply.
func (p *Process) get(ctx context.Context, path string) (code int, text string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+path, nil)
	if err != nil {
		return 0, ""
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(body)
}

// Tail returns the end of a file.
func Tail(name string, most int) []byte {
	b, err := os.ReadFile(name)
	if err != nil {
		return []byte(err.Error())
	}
	if len(b) > most {
		b = b[len(b)-most:]
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[i+1:]
		}
	}
	return b
}

// PID returns the process ID.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Admin returns the host:port of the admin listener.
func (p *Process) Admin() string { return p.admin }

// deserted fails the test for each process that exited unexpectedly.
func deserted(t testing.TB) {
	t.Helper()
	processes.Lock()
	defer processes.Unlock()
	for _, p := range processes.all {
		if !p.Running() && !p.doomed.Load() {
			t.Errorf("%s exited unexpectedly: %v", p.name, p.err)
		}
	}
}

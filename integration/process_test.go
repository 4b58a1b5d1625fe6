//go:build integration

package integration

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

// process is one running etl.
type process struct {
	name   string
	admin  string // host:port of its admin listener
	cmd    *exec.Cmd
	log    string
	ended  chan struct{} // closed when the process is gone and err is set
	err    error
	doomed atomic.Bool // the test means it to end
}

// processes is those of all tests.
var processes struct {
	sync.Mutex
	all []*process
}

// startETL starts etl with the arguments. failpoint is what SLUICE_FAILPOINT holds, or nothing. The process ends with
// the test at the latest; where the test failed, the end of its log is shown.
func startETL(t *testing.T, dir, failpoint string, args ...string) *process {
	t.Helper()
	p := &process{admin: freeAddr(t), ended: make(chan struct{})}
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
	p.cmd = exec.Command(etlBinary, append(args, "--admin-listen="+p.admin)...)
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
			t.Logf("%s %v\n%s", p.name, p.err, tail(p.log, 6000))
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

// awaitKilled waits until the process was ended by SIGKILL: its failpoint was hit. Any other end is a failure.
func (p *process) awaitKilled(ctx context.Context, t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
	case <-ctx.Done():
		t.Fatalf("%s: its failpoint was not hit: %v", p.name, context.Cause(ctx))
	}
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("%s ended by itself, want SIGKILL by its failpoint: %v", p.name, p.err)
	}
}

// kill ends the process by SIGKILL and waits until it is gone.
func (p *process) kill(t *testing.T) {
	t.Helper()
	p.doomed.Store(true)
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	<-p.ended
}

// stop ends the process in good order, and wants exit code 0.
func (p *process) stop(ctx context.Context, t *testing.T) {
	t.Helper()
	p.doomed.Store(true)
	p.signal(t, syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-ctx.Done():
		t.Fatalf("%s did not end after SIGTERM: %v", p.name, context.Cause(ctx))
	}
	if p.err != nil {
		t.Fatalf("%s after SIGTERM: %v, want exit code 0", p.name, p.err)
	}
}

func (p *process) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("%s: signal %v: %v", p.name, sig, err)
	}
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// ready reports whether /readyz answers 200.
func (p *process) ready(ctx context.Context) bool {
	code, _ := p.get(ctx, "/readyz")
	return code == http.StatusOK
}

// metrics is what /metrics says, nothing where it does not answer.
func (p *process) metrics(ctx context.Context) string {
	_, text := p.get(ctx, "/metrics")
	return text
}

// get asks the admin listener; the code is 0 where it does not answer.
func (p *process) get(ctx context.Context, path string) (code int, text string) {
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

// tail is the end of a file.
func tail(name string, most int) []byte {
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

// await polls a condition until it holds; what is the sentence that a failure ends with. A process that ends by itself
// meanwhile is a failure at once.
func await(ctx context.Context, t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		processes.Lock()
		for _, p := range processes.all {
			if !p.running() && !p.doomed.Load() {
				t.Errorf("%s ended by itself: %v", p.name, p.err)
			}
		}
		processes.Unlock()
		if t.Failed() {
			t.FailNow()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s: %v", what, context.Cause(ctx))
		}
	}
}

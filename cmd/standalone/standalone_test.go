package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	avroclient "github.com/sluice-etl/sluice/flumeclient/avro"
	"github.com/sluice-etl/sluice/internal/cli"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/receiver"
)

// asStandalone makes the test binary run the program itself, so that a test can kill it.
const asStandalone = "SLUICE_TEST_STANDALONE"

func TestMain(m *testing.M) {
	if os.Getenv(asStandalone) != "" {
		os.Exit(run(os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}

// process is a running standalone with its own ports.
type process struct {
	cmd                *exec.Cmd
	avro, mysql, admin string
	ended              chan string // lines of output; closed at the end
}

var places = regexp.MustCompile(`Flume's Avro +(\S+)|mysql -h (\S+) -P (\S+)|Web page +http://(\S+)/`)

// start runs standalone and returns once it has printed all of its addresses.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	args = append([]string{
		"--avro-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--kafka-listen=127.0.0.1:0",
		"--mysql-listen=127.0.0.1:0", "--batch-interval=200ms", "--kafka-session-timeout=6s",
	}, args...)
	p := &process{cmd: exec.CommandContext(context.Background(), os.Args[0], args...), ended: make(chan string)}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "ETL_") {
			p.cmd.Env = append(p.cmd.Env, kv)
		}
	}
	p.cmd.Env = append(p.cmd.Env, asStandalone+"=1")
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	logged, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = logged
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			text, _ := os.ReadFile(logged.Name())
			t.Logf("standalone %v:\n%s", args, text[max(0, len(text)-6000):])
		}
		_ = logged.Close()
	})
	ready := make(chan struct{})
	go func() {
		defer close(p.ended)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if m := places.FindStringSubmatch(lines.Text()); m != nil {
				switch {
				case m[1] != "":
					p.avro = m[1]
				case m[2] != "":
					p.mysql = net.JoinHostPort(m[2], m[3])
				default:
					p.admin = m[4]
				}
			}
			if strings.Contains(lines.Text(), "Ctrl-C        stops the process") {
				close(ready)
			}
		}
		_ = p.cmd.Wait()
	}()
	select {
	case <-ready:
	case <-p.ended:
		t.Fatalf("standalone ended: %v", p.cmd.ProcessState)
	case <-time.After(time.Minute):
		t.Fatal("standalone did not start")
	}
	return p
}

// kill sends SIGKILL, so the process closes nothing.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.ended
}

// send sends lines to the Avro receiver, and expects OK.
func (p *process) send(t *testing.T, lines ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := avroclient.Dial(ctx, avroclient.DefaultConfig(p.avro))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	events := make([]receiver.Event, len(lines))
	for i, l := range lines {
		events[i].Body = []byte(l)
	}
	if err := c.Append(ctx, events); err != nil {
		t.Fatal(err)
	}
}

// counts reads the table through the MySQL port.
func counts(t *testing.T, conns *pool.Pool, query string) map[string]string {
	t.Helper()
	tx, err := conns.Tx(t.Context(), pool.PriorityLow)
	if err != nil {
		return nil // not listening yet
	}
	defer tx.Rollback(t.Context())
	got := map[string]string{}
	_ = tx.Query(t.Context(), query, func(scan func(...any) error) error { // a missing table gives no rows
		var key, value string
		err := scan(&key, &value)
		got[key] = value
		return err
	})
	return got
}

// await polls until the table holds the expected rows.
func (p *process) await(t *testing.T, query string, want map[string]string) {
	t.Helper()
	awaitTable(t, embeddedDSN(p.mysql), query, want)
}

func awaitTable(t *testing.T, dsn, query string, want map[string]string) {
	t.Helper()
	cfg := pool.DefaultConfig()
	cfg.DSN = dsn
	conns := pool.New(cfg, nil, nil)
	defer func() { _ = conns.Close() }()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var got map[string]string
	for time.Now().Before(deadline) {
		if got = counts(t, conns, query); cmp.Equal(want, got) {
			return
		}
		<-tick.C
	}
	t.Fatalf("the table (-expected +got):\n%s", cmp.Diff(want, got))
}

const itemCounts = "SELECT item, `count` FROM streaming_itemcount"

// The whole path of events, and again after a SIGKILL. The database was in memory, so the tables are rebuilt from the
// log.
func TestStandalone_killedAndRestarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, "--data-dir="+dir)
	p.send(t, "to be or not to be", "that is the question")
	want := map[string]string{"to": "2", "be": "2", "or": "1", "not": "1", "that": "1", "is": "1", "the": "1", "question": "1"}
	p.await(t, itemCounts, want)

	get := func(path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.admin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	if code, body := get("/readyz"); code != http.StatusOK {
		t.Errorf("readyz: %d %s, expected %v", code, body, http.StatusOK)
	}
	if _, body := get("/api/v1/status"); !strings.Contains(body, `"counted": 2`) && !strings.Contains(body, `"counted": 1`) ||
		!strings.Contains(body, `"retention": "none"`) {
		t.Errorf("the status does not have all expected members: %s", body)
	}
	if _, body := get("/metrics"); !strings.Contains(body, `etl_receiver_requests_total{outcome="ok",receiver="avro"} 1`) {
		t.Errorf("metrics: %s, expected it to contain %q", body, `etl_receiver_requests_total{outcome="ok",receiver="avro"} 1`)
	}

	p.kill(t)
	again := start(t, "--data-dir="+dir)
	again.await(t, itemCounts, want)
	again.send(t, "to be continued")
	want["to"], want["be"], want["continued"] = "3", "3", "1"
	again.await(t, itemCounts, want)
}

// With --mysql-dsn it writes to that server, whose checkpoints survive the process: nothing is counted twice after a
// kill.
func TestStandalone_realDatabase(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	dsn := server.DSN(server.Database(t))
	dir := t.TempDir()
	args := []string{"--data-dir=" + dir, "--mysql-dsn=" + dsn}
	p := start(t, args...)
	p.send(t, "to be or not to be")
	want := map[string]string{"to": "2", "be": "2", "or": "1", "not": "1"}
	awaitTable(t, dsn, itemCounts, want)
	p.kill(t)
	again := start(t, args...)
	again.send(t, "to go on")
	want["to"], want["go"], want["on"] = "3", "1", "1"
	awaitTable(t, dsn, itemCounts, want)
}

// Ctrl-C ends the process in a few seconds with exit code 0, and removes the temporary directory.
func TestStandalone_stops(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	p := start(t, "--demo", "--demo-rate=500", "--data-dir="+filepath.Join(tmp, "kept"))
	p.awaitDemo(t)
	begun := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if code := p.cmd.ProcessState.ExitCode(); code != cli.ExitDone || time.Since(begun) > 15*time.Second {
		t.Errorf("exit code %d after %s; expected %v and at most %v", code, time.Since(begun), cli.ExitDone, 15*time.Second)
	}
	if _, err := os.Stat(filepath.Join(tmp, "kept", "kafka")); err != nil {
		t.Errorf("a folder that was named stays: %v", err)
	}
}

// awaitDemo waits until the demo's table has rows.
func (p *process) awaitDemo(t *testing.T) {
	t.Helper()
	cfg := pool.DefaultConfig()
	cfg.DSN = embeddedDSN(p.mysql)
	conns := pool.New(cfg, nil, nil)
	defer func() { _ = conns.Close() }()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		if got := counts(t, conns, "SELECT CONCAT(status, ''), hits FROM hits"); len(got["200"]) > 2 {
			return
		}
		<-tick.C
	}
	t.Fatal("the demo's table does not grow")
}

// The errors for a port or a directory that is in use name their options.
func TestStandalone_portOrDirectoryInUse(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // after the subtests
	dir := t.TempDir()
	held, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.close() }()
	free := map[string]string{"--avro-listen": "127.0.0.1:0", "--admin-listen": "127.0.0.1:0", "--kafka-listen": "127.0.0.1:0", "--mysql-listen": "127.0.0.1:0"}
	for option := range free {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			args := []string{}
			for o, addr := range free {
				if o == option {
					addr = l.Addr().String()
				}
				args = append(args, o+"="+addr)
			}
			wantFailure(t, cli.ExitFailed, option+".*address already in use: another process", args...)
		})
	}
	wantFailure(t, cli.ExitFailed, "--data-dir .*in use by another process", "--data-dir="+dir, "--kafka-listen=127.0.0.1:0")
	wantFailure(t, cli.ExitUsage, `--kafka-listen is "19092", must be host:port or :port: the port is missing`, "--kafka-listen=19092")
	wantFailure(t, cli.ExitUsage, `--mysql-listen is "", must be host:port or :port`, "--mysql-listen=")
	wantFailure(t, cli.ExitUsage, "unknown flag --datadir, did you mean --data-dir", "--datadir=x")
}

func wantFailure(t *testing.T, code int, text string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asStandalone+"=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != code || !regexp.MustCompile(text).Match(out) {
		t.Errorf("%v: %v, expected exit code %d and %q:\n%s", args, err, code, text, out)
	}
}

func TestFolder_temporaryIsRemovedAtExit(t *testing.T) {
	t.Parallel()
	f, err := openFolder("")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v, expected %v", err, os.ErrNotExist)
	}
}

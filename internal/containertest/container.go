package containertest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
)

const (
	engineWait = 10 * time.Second // for the engine's reply to anything but a pull or a start
	pullWait   = 10 * time.Minute // to pull an image
	pullTries  = 2                // if the registry fails; testcontainers alone would retry for 15 minutes
	startWait  = 3 * time.Minute  // for the server in the container to reply
	pollEvery  = 200 * time.Millisecond
)

// ErrUnavailable means that there is no engine, or that it cannot pull the image.
var ErrUnavailable = errors.New("no container")

// Container is a running server. Its methods are not safe for concurrent use; the server is.
type Container struct {
	Image string
	Addr  string // host:port of the server as tests reach it

	name    string
	ctr     *testcontainers.DockerContainer
	guard   *exec.Cmd
	guardIn io.Closer
}

// Check skips the test if err wraps ErrUnavailable, with the line that scripts/test lists, and fails it on any other
// error.
func Check(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrUnavailable) && os.Getenv("ETL_TEST_REQUIRE_CONTAINERS") == "":
		t.Skipf("CANNOT RUN: %v", err)
	default:
		t.Fatal(err)
	}
}

// engine looks for the engine once per test binary, so that tests without one do not wait repeatedly.
var engine = sync.OnceValue(func() (err error) {
	defer func() { // testcontainers panics if it finds no engine host
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: no Docker engine replies: %v", ErrUnavailable, v)
		}
	}()
	if _, is := os.LookupEnv("TESTCONTAINERS_RYUK_DISABLED"); !is {
		if err := os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true"); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), engineWait)
	defer cancel()
	p, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(silent{}))
	if err == nil {
		defer p.Close()
		err = p.Health(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w: no Docker engine replies: %s", ErrUnavailable, oneLine(err.Error()))
	}
	return nil
})

// oneLine joins the lines of a text, because scripts/test lists single lines.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// Engine checks whether a Docker engine replies. Its error wraps ErrUnavailable.
func Engine() error { return engine() }

// start starts a container. The caller must close a container that is not nil, even if there is an error.
func start(ctx context.Context, image, port string, opts ...testcontainers.ContainerCustomizer) (*Container, error) {
	if err := Engine(); err != nil {
		return nil, err
	}
	if err := pull(ctx, image); err != nil {
		return nil, err
	}
	var b [6]byte
	_, _ = rand.Read(b[:])
	c := &Container{Image: image, name: "sluice-test-" + hex.EncodeToString(b[:])}
	if err := c.startGuard(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	opts = append(opts, testcontainers.WithName(c.name), testcontainers.WithExposedPorts(port), testcontainers.WithLogger(silent{}))
	var err error
	if c.ctr, err = testcontainers.Run(ctx, image, opts...); err != nil {
		return c, fmt.Errorf("start a container of %s: %w", image, err)
	}
	if c.Addr, err = reach(ctx, c.ctr, port); err != nil {
		return c, fmt.Errorf("reach the container of %s: %w", image, err)
	}
	return c, nil
}

// pull pulls the image if the engine does not have it.
func pull(ctx context.Context, image string) error {
	ctx, cancel := context.WithTimeout(ctx, pullWait)
	defer cancel()
	tries := &pulling{stop: cancel}
	p, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(tries))
	if err != nil {
		return err
	}
	defer p.Close()
	if _, err := p.Client().ImageInspect(ctx, image); err == nil {
		return nil
	}
	if err := p.PullImage(ctx, image); err != nil {
		why := err.Error()
		if tries.last != "" {
			why = tries.last // pulling has stopped the retries
		}
		return fmt.Errorf("%w: image %s cannot be pulled: %s", ErrUnavailable, image, oneLine(why))
	}
	return nil
}

// pulling is notified of failed attempts, and stops the retries.
type pulling struct {
	stop   context.CancelFunc
	failed int
	last   string
}

func (p *pulling) Printf(format string, v ...any) {
	if !strings.HasPrefix(format, "Failed to pull") {
		return
	}
	p.last = strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf(format, v...), "Failed to pull image: "), ", will retry")
	if p.failed++; p.failed >= pullTries {
		p.stop()
	}
}

type silent struct{}

var _ log.Logger = silent{}

func (silent) Printf(string, ...any) {}

// reach returns the address at which this machine reaches a port of the container. If this machine looks like a
// container itself, testcontainers uses the default gateway as the engine's host, which is wrong if the engine runs in
// it: so loopback is tried too, unless TESTCONTAINERS_HOST_OVERRIDE is set.
func reach(ctx context.Context, c *testcontainers.DockerContainer, port string) (string, error) {
	host, err := c.Host(ctx)
	if err != nil {
		return "", err
	}
	mapped, err := c.MappedPort(ctx, port)
	if err != nil {
		return "", err
	}
	usual := net.JoinHostPort(host, mapped.Port())
	for _, addr := range []string{usual, net.JoinHostPort("127.0.0.1", mapped.Port())} {
		dialer := net.Dialer{Timeout: time.Second}
		if conn, err := dialer.DialContext(ctx, "tcp", addr); err == nil {
			return addr, conn.Close()
		}
	}
	return usual, nil // the engine may open the port only when the server listens
}

// await polls until the server replies. It fails early if the server has exited.
func (c *Container) await(ctx context.Context, answers func() error) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := answers()
		if err == nil {
			return nil
		}
		if state, stateErr := c.ctr.State(ctx); stateErr == nil && !state.Running {
			return fmt.Errorf("the server of %s exited at start with code %d:\n%s", c.Image, state.ExitCode, c.Log())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the server of %s did not reply at %s within %v: %w:\n%s", c.Image, c.Addr, startWait, err, c.Log())
		}
	}
}

// Log returns the end of the server's output.
func (c *Container) Log() string {
	const most = 4000
	ctx, cancel := context.WithTimeout(context.Background(), engineWait)
	defer cancel()
	r, err := c.ctr.Logs(ctx)
	if err != nil {
		return err.Error()
	}
	defer r.Close()
	out, err := io.ReadAll(r)
	if err != nil {
		return err.Error()
	}
	return string(out[max(0, len(out)-most):])
}

// Close removes the container with its data. It may be called more than once.
func (c *Container) Close() error {
	if c == nil {
		return nil
	}
	var err error
	if c.ctr != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err = testcontainers.TerminateContainer(c.ctr, testcontainers.StopContext(ctx), testcontainers.StopTimeout(0))
		c.ctr = nil
	}
	if c.guard != nil {
		err = errors.Join(err, c.guardIn.Close(), c.guard.Wait())
		c.guard = nil
	}
	return err
}

// startGuard starts the shell that removes the container even if this process is killed. The shell uses the container's
// name, so that it can start before the container.
func (c *Container) startGuard() error {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil // then only Close removes it
	}
	c.guard = exec.Command("/bin/sh", "-c", `trap '' INT TERM; read x; docker rm -f -v "$1" >/dev/null 2>&1; true`, "sh", c.name)
	c.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if c.guardIn, err = c.guard.StdinPipe(); err != nil {
		return err
	}
	return c.guard.Start()
}

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
	engineWait = 10 * time.Second // for the engine's answer to anything but a pull and a start
	pullWait   = 10 * time.Minute // for an image to come
	pullTries  = 2                // of a registry that fails: testcontainers alone would go on for 15 minutes
	startWait  = 3 * time.Minute  // for the server in the container to answer
	pollEvery  = 200 * time.Millisecond
)

// ErrUnavailable says that there is no engine, or that it cannot have the image.
var ErrUnavailable = errors.New("no container")

// Container is a running server. Its methods are not safe for concurrent use; what it serves is.
type Container struct {
	Image string
	Addr  string // host:port of the server as tests reach it

	name    string
	ctr     *testcontainers.DockerContainer
	guard   *exec.Cmd
	guardIn io.Closer
}

// Check skips the test where err wraps ErrUnavailable, with the line that scripts/test lists, and fails it on any other
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

// engine asks for the engine, once for a test binary: where there is none, nobody waits for it twice.
var engine = sync.OnceValue(func() (err error) {
	defer func() { // testcontainers panics where it finds no host to ask
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: no Docker engine answers: %v", ErrUnavailable, v)
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
		return fmt.Errorf("%w: no Docker engine answers: %s", ErrUnavailable, oneLine(err.Error()))
	}
	return nil
})

// oneLine is a text of several lines as one: scripts/test lists lines.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// Engine asks whether a Docker engine answers. Its error wraps ErrUnavailable.
func Engine() error { return engine() }

// start starts a container. Whatever the error, a container that is not nil is to be closed.
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

// pull gets the image where the engine has not got it.
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
			why = tries.last // the tries were ended by us
		}
		return fmt.Errorf("%w: image %s is not here and does not come: %s", ErrUnavailable, image, oneLine(why))
	}
	return nil
}

// pulling hears of failed tries, and ends them.
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

// reach is the address under which this machine reaches a port of the container. testcontainers takes the default
// gateway for the engine's host where this machine looks like a container itself, which is wrong where the engine runs
// in it: so loopback is tried too, unless TESTCONTAINERS_HOST_OVERRIDE has decided.
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
	return usual, nil // the engine may open the port only when the server does
}

// await polls until the server answers; one that has ended will not.
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
			return fmt.Errorf("the server of %s ended at start, with exit code %d:\n%s", c.Image, state.ExitCode, c.Log())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the server of %s did not answer at %s within %v: %w:\n%s", c.Image, c.Addr, startWait, err, c.Log())
		}
	}
}

// Log is the end of what the server printed.
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

// Close removes the container with its data. It may be called again.
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

// startGuard starts the shell that removes the container, whatever ends us. It does so by the container's name, so that
// it is there before the container is.
func (c *Container) startGuard() error {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil // Close alone has to do
	}
	c.guard = exec.Command("/bin/sh", "-c", `trap '' INT TERM; read x; docker rm -f -v "$1" >/dev/null 2>&1; true`, "sh", c.name)
	c.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if c.guardIn, err = c.guard.StdinPipe(); err != nil {
		return err
	}
	return c.guard.Start()
}

package jvmtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// AgentName is the name that an agent's properties begin with: "a.sources = …".
const AgentName = "a"

// countersWait is the time limit of one request for an agent's counters.
const countersWait = 3 * time.Second

// Agent is a real Flume agent. Its methods are not safe for concurrent use.
type Agent struct {
	process
	monitor string
}

// StartAgent starts an agent of that version, Flume19 or Flume111, with properties whose names begin with AgentName,
// and returns when its components have started. It is stopped with the test.
func StartAgent(t testing.TB, version Set, properties string) *Agent {
	t.Helper()
	path, err := ClassPath(t.Context(), version)
	must(t, err)
	dir := t.TempDir()
	file := filepath.Join(dir, "flume.properties")
	must(t, os.WriteFile(file, []byte(properties), 0o600))
	port, err := freePort()
	must(t, err)
	a := &Agent{monitor: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	args := append(quick("256m"),
		// The file channel unmaps its checkpoint by reflection.
		"--add-opens=java.base/java.nio=ALL-UNNAMED", "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
		"-Dflume.monitoring.type=http", "-Dflume.monitoring.port="+strconv.Itoa(port),
		"-cp", path, "org.apache.flume.node.Application", "-n", AgentName, "-f", file, "--no-reload-conf")
	a.process = process{name: string(version), args: args, log: filepath.Join(dir, "flume.log")}
	a.cleanup(t)
	must(t, a.Restart(t.Context()))
	return a
}

// Kill kills the agent with SIGKILL and waits until it has exited.
func (a *Agent) Kill() error { return a.end(syscall.SIGKILL) }

// Stop stops the agent with SIGTERM and waits until it has exited.
func (a *Agent) Stop() error { return a.end(syscall.SIGTERM) }

// Restart starts the agent with the same properties, and returns when its monitoring replies. It does nothing if the
// agent runs.
func (a *Agent) Restart(ctx context.Context) error {
	if a.cmd != nil {
		return nil
	}
	if err := a.start(); err != nil {
		return err
	}
	return a.await(ctx, func(ctx context.Context) error {
		counters, err := a.Counters(ctx)
		if err != nil {
			return err
		}
		for component := range counters {
			if strings.HasPrefix(component, "SOURCE.") { // sources are started last
				return nil
			}
		}
		return fmt.Errorf("no source has started; the counters are %v", counters)
	})
}

// Counters returns the agent's counters since it started: for each component, such as SOURCE.s, CHANNEL.c and SINK.k,
// counters such as EventAcceptedCount, ChannelSize and EventDrainSuccessCount.
func (a *Agent) Counters(ctx context.Context) (map[string]map[string]string, error) {
	// If the agent could not bind its port, the process that has it may never reply.
	ctx, cancel := context.WithTimeout(ctx, countersWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.monitor+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	req.Close = true // leaves no idle connection open
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("request the agent's counters: %w", err)
	}
	defer resp.Body.Close()
	var counters map[string]map[string]string
	if err := json.NewDecoder(resp.Body).Decode(&counters); err != nil {
		return nil, fmt.Errorf("read the agent's counters: %w", err)
	}
	return counters, nil
}

//go:build integration

package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// etlBinary is the command, built with failpoints.
var etlBinary string

func TestMain(m *testing.M) {
	if dir := os.Getenv(brokerDirVariable); dir != "" {
		serveBroker(dir, os.Getenv(brokerPortVariable))
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sluice-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	etlBinary = filepath.Join(dir, "etl")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-tags", "failpoint", "-o", etlBinary, "../cmd/etl")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build cmd/etl with failpoints:", err)
		return 1
	}
	if err := mysql.SetLogger(quiet{}); err != nil { // what the driver says of connections that we broke
		panic(err)
	}
	return m.Run()
}

type quiet struct{}

func (quiet) Print(...any) {}

package jvmtest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Set identifies the jars of one program in one version.
type Set string

// The sets with a project and a list of checksums in testdata.
const (
	Kafka         Set = "kafka-4.1.0"
	Flume19       Set = "flume-1.9.0"
	Flume111      Set = "flume-1.11.0"
	FlumeKafka19  Set = "flume-kafka-1.9.0"  // and its Kafka sink, source and channel
	FlumeKafka111 Set = "flume-kafka-1.11.0" // and its Kafka sink, source and channel
	FlumeSpark    Set = "flume-spark-2.4.8"  // Flume 1.9.0 and Spark's sink
)

// ErrUnavailable means that this machine lacks what real servers need. The wrapping error names what is missing.
var ErrUnavailable = errors.New("real Kafka and Flume")

//go:embed testdata
var testdata embed.FS

// The plugin that copies a project's dependencies to a directory; any Maven 3 runs it.
const copyDependencies = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"

// marker is the file that marks a directory of the cache as complete.
const marker = "complete"

// downloadWait is the time limit of a download; one set usually takes half a minute.
const downloadWait = 5 * time.Minute

// ClassPath returns the set's jars from the cache as a JVM class path. It fills the cache if necessary, and compares
// each jar with its checksum.
func ClassPath(ctx context.Context, set Set) (string, error) {
	for _, program := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("%w: %s is not in PATH; scripts/setup installs it", ErrUnavailable, program)
		}
	}
	want, err := set.sums()
	if err != nil {
		return "", err
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("create the cache of jars: %w", err)
	}
	unlock, err := lock(filepath.Join(cache, ".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	dir := filepath.Join(cache, string(set))
	if _, err := os.Stat(filepath.Join(dir, marker)); err != nil {
		if err := set.download(ctx, cache, dir, want); err != nil {
			return "", err
		}
	} else if err := verify(dir, want); err != nil {
		return "", fmt.Errorf("%w; to download them again, remove the directory", err)
	}
	paths := make([]string, 0, len(want))
	for _, name := range slices.Sorted(maps.Keys(want)) {
		paths = append(paths, filepath.Join(dir, name))
	}
	return strings.Join(paths, string(os.PathListSeparator)), nil
}

// cacheDir returns the directory of all sets.
func cacheDir() (string, error) {
	base := os.Getenv("XDG_CACHE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find a directory for the cache of jars: %w", err)
		}
		base = filepath.Join(home, ".cache")
	}
	return filepath.Join(base, "sluice", "jars"), nil
}

// lock prevents two test binaries from filling one directory at the same time.
func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the cache of jars: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the cache of jars: %w", err), f.Close())
	}
	return func() { _ = f.Close() }, nil // closing releases the lock
}

// download fills a directory next to dir and renames it when every jar matches the list: a directory with a marker is
// complete even if this process was killed.
func (set Set) download(ctx context.Context, cache, dir string, want map[string]string) error {
	pom, err := testdata.ReadFile("testdata/" + string(set) + ".xml")
	if err != nil {
		return err
	}
	part := filepath.Join(cache, string(set)+".part")
	if err := errors.Join(os.RemoveAll(part), os.MkdirAll(part, 0o755)); err != nil {
		return fmt.Errorf("create a directory for the jars of %s: %w", set, err)
	}
	project, err := os.MkdirTemp("", "sluice-pom-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(project) }()
	file := filepath.Join(project, "pom.xml")
	if err := os.WriteFile(file, pom, 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, downloadWait, fmt.Errorf("it took longer than %v", downloadWait))
	defer cancel()
	mvn := exec.CommandContext(ctx, "mvn", "-q", "-B", "-f", file, copyDependencies, "-DincludeScope=runtime", "-DoutputDirectory="+part)
	mvn.Dir = project
	if out, err := mvn.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: Maven cannot download the jars of %s: %s", ErrUnavailable, set, why(ctx, err, out))
	}
	if err := verify(part, want); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(part, marker), nil, 0o600); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(dir), os.Rename(part, dir))
}

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// why returns one line of Maven's output: its first error.
func why(ctx context.Context, err error, out []byte) string {
	if ctx.Err() != nil {
		return context.Cause(ctx).Error()
	}
	for line := range strings.Lines(string(colours.ReplaceAll(out, nil))) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "[ERROR] "); ok {
			return text[:min(len(text), 400)]
		}
	}
	return err.Error()
}

// sums reads the list of a set, in sha256sum's format: file name to SHA-256 in hexadecimal.
func (set Set) sums() (map[string]string, error) {
	list, err := testdata.ReadFile("testdata/" + string(set) + ".sha256")
	if err != nil {
		return nil, err
	}
	sums := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(list)); lines.Scan(); {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		if !ok || len(sum) != 2*sha256.Size || name != filepath.Base(name) {
			panic("BUG: testdata/" + string(set) + ".sha256 has a line that is not one of sha256sum's: " + lines.Text())
		}
		sums[name] = sum
	}
	return sums, nil
}

// verify compares a directory with the list: it must contain exactly the listed jars.
func verify(dir string, want map[string]string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(want)) {
		got, err := sum(filepath.Join(dir, name))
		switch {
		case err != nil:
			errs = append(errs, err)
		case got != want[name]:
			errs = append(errs, fmt.Errorf("%s: SHA-256 is %s, must be %s", name, got, want[name]))
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("check the jars in %s: %w", dir, err)
	}
	for _, e := range entries {
		if _, ok := want[e.Name()]; !ok && e.Name() != marker {
			errs = append(errs, fmt.Errorf("%s: is not in the list", e.Name()))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("check the jars in %s: %w", dir, err)
	}
	return nil
}

func sum(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

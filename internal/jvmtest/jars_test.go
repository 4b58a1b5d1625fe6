package jvmtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakePrograms sets PATH to a directory with a java and, if script is not empty, an mvn, and uses an empty cache. It
// returns the cache's directory.
func fakePrograms(t *testing.T, script string) string {
	t.Helper()
	bin, cache := t.TempDir(), t.TempDir()
	programs := map[string]string{"java": "exit 0"}
	if script != "" {
		programs["mvn"] = script
	}
	for name, text := range programs {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	t.Setenv("XDG_CACHE_HOME", cache)
	return filepath.Join(cache, "sluice", "jars")
}

func TestClassPath_unavailable(t *testing.T) {
	for _, test := range []struct {
		name, script, want string
	}{
		{"no maven", "", "mvn is not in PATH"},
		{"no maven central", `echo "[ERROR] Failed to execute goal: Unknown host repo.example"; echo "[ERROR] more"; exit 1`,
			"Maven cannot download the jars of flume-1.9.0: Failed to execute goal: Unknown host repo.example"},
		{"maven dies", "exit 7", "exit status 7"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cache := fakePrograms(t, test.script)
			_, err := ClassPath(t.Context(), Flume19)
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, expected one line of class ErrUnavailable that says %q", err, test.want)
			}
			if _, err := os.Stat(filepath.Join(cache, string(Flume19))); !os.IsNotExist(err) {
				t.Errorf("the cache holds something: %v", err)
			}
		})
	}
}

// A jar whose checksum differs is never used, whether new or from the cache, and the test fails rather than being
// skipped.
func TestClassPath_checksums(t *testing.T) {
	cache := fakePrograms(t, `for a; do case $a in -DoutputDirectory=*) echo x >"${a#*=}/avro-1.7.4.jar"; echo x >"${a#*=}/other.jar" ;; esac; done`)
	_, err := ClassPath(t.Context(), Flume19)
	if err == nil || errors.Is(err, ErrUnavailable) {
		t.Fatalf("%v, expected a failure", err)
	}
	for _, want := range []string{"avro-1.7.4.jar: SHA-256 is 73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac, must be ", "other.jar: is not in the list", "flume-ng-core-1.9.0.jar"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not contain %q", err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(cache, string(Flume19))); !os.IsNotExist(err) {
		t.Errorf("the cache contains the rejected jar: %v", err)
	}

	dir := filepath.Join(cache, string(Flume19)) // complete according to its marker, but changed since
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, marker), nil, 0o600),
		os.WriteFile(filepath.Join(dir, "avro-1.7.4.jar"), []byte("x\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err = ClassPath(t.Context(), Flume19)
	if err == nil || errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "remove the directory") {
		t.Errorf("%v, expected a failure that says what to do", err)
	}
}

// Each set has a list that contains the program itself.
func TestSums(t *testing.T) {
	for set, jar := range map[Set]string{
		Kafka: "kafka_2.13-4.1.0.jar", Flume19: "flume-ng-node-1.9.0.jar", Flume111: "flume-ng-node-1.11.0.jar",
		FlumeKafka19: "flume-ng-kafka-sink-1.9.0.jar", FlumeKafka111: "flume-ng-kafka-sink-1.11.0.jar", FlumeSpark: "spark-streaming-flume-sink_2.12-2.4.8.jar",
	} {
		sums, err := set.sums()
		if err != nil || sums[jar] == "" || len(sums) < 40 {
			t.Errorf("%s: %d jars, %s is %q, %v; expected other than an empty text, at least 40 and no error", set, len(sums), jar, sums[jar], err)
		}
		pom, err := testdata.ReadFile("testdata/" + string(set) + ".xml")
		if version := string(set[strings.LastIndex(string(set), "-")+1:]); err != nil || !strings.Contains(string(pom), fmt.Sprintf("<version>%s</version>", version)) {
			t.Errorf("%s: its project does not name its version: %v; expected a POM that contains %q, and no error", set, err, fmt.Sprintf("<version>%s</version>", version))
		}
	}
}

package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/option"
)

func TestWithFlags(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"raise " + option.Ref("mysql-lock-wait"):    "raise --mysql-lock-wait",
		"raise " + option.Ref("avro.max-headers"):   "raise --avro-max-headers",
		option.Ref("netcat_udp.listen") + " is x":   "--netcat-udp-listen is x",
		option.Ref("syslog_tcp.listen"):             "--syslog-tcp-listen",
		option.Ref("syslog_tcp.max-connections"):    "--syslog-max-connections",
		option.Ref("spark.max-frame-bytes"):         "--poll-max-frame-bytes",
		option.Ref("dead-letter-stop") + "=100%":    "--dead-letter-stop=100%",
		option.Ref("mine.max-headers") + " is 1":    "option 'mine.max-headers' is 1", // a receiver of another program
		"Unknown option 'to' of another program":    "Unknown --to of another program",
		"the option to reply, an option of etl run": "the option to reply, an option of etl run",
	} {
		if got := withFlags(text); got != want {
			t.Errorf("got %q for %q, expected %q", got, text, want)
		}
	}
}

// Errors, log lines and the status page show flags.
func TestWithFlags_everyOutput(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("claim: %w", errors.New("raise "+option.Ref("tasks")))
	var report bytes.Buffer
	if Report(&report, "etl", err); report.String() != "etl: claim: raise --tasks\n" {
		t.Errorf("got the error %q, expected \"etl: claim: raise --tasks\"", report.String())
	}
	for _, format := range []string{"text", "json"} {
		var log bytes.Buffer
		LogOptions{LogLevel: "info", LogFormat: format}.Logger(&log).Info("Exceeds option 'poll-batch'", "err", err, slog.Group("a", "b", option.Ref("job")))
		for _, want := range []string{"Exceeds --poll-batch", "raise --tasks", "--job"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%s: the log line is %q, expected it to contain %q", format, log.String(), want)
			}
		}
	}
	page, jsonErr := json.Marshal(map[string]string{"reason": err.Error()})
	if jsonErr != nil {
		t.Fatal(jsonErr)
	}
	if got := (ProcessOptions{}).status().Render(string(page)); got != `{"reason":"claim: raise --tasks"}` {
		t.Errorf("the page is %s", got)
	}
}

package cli

import (
	"io"
	"log/slog"
	"os"

	"github.com/sluice-etl/sluice/internal/quote"
)

// LogOptions are the options of commands that write a log.
type LogOptions struct {
	LogLevel  string `group:"process" common:"debug, info, warn or error." enum:"debug,info,warn,error" default:"info" help:"Least severe level to log: debug, info, warn or error."`
	LogFormat string `group:"process" enum:"auto,text,json" default:"auto" help:"Format of log lines: text, json, or auto, which is text on a terminal and else json."`
}

// Logger returns a logger that writes to w. Options in messages and attributes are shown as flags, and control
// characters are escaped.
func (o LogOptions) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(o.LogLevel)) // the enum lets only levels through
	opts := &slog.HandlerOptions{Level: level}
	safe := quote.Writer(flagWriter{w}) // slog does not escape DEL, nor C1 and bidirectional text in JSON
	if o.LogFormat == "json" || o.LogFormat == "auto" && !IsTerminal(w) {
		return slog.New(slog.NewJSONHandler(safe, opts))
	}
	return slog.New(slog.NewTextHandler(safe, opts))
}

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}

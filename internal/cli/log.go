package cli

import (
	"io"
	"log/slog"
	"os"

	"github.com/sluice-etl/sluice/internal/quote"
)

// LogOptions are shared by all commands that work for a while.
type LogOptions struct {
	LogLevel  string `group:"process" enum:"debug,info,warn,error" default:"info" help:"What is logged: debug, info, warn or error."`
	LogFormat string `group:"process" enum:"auto,text,json" default:"auto" help:"How lines are written: text or json; auto is text on a terminal."`
}

// Logger writes to w, as the options say.
func (o LogOptions) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(o.LogLevel)) // the enum lets only levels through
	opts := &slog.HandlerOptions{Level: level}
	safe := quote.Writer(w) // slog leaves DEL, and in JSON C1 and bidirectional text, as they are
	if o.LogFormat == "json" || o.LogFormat == "auto" && !IsTerminal(w) {
		return slog.New(slog.NewJSONHandler(safe, opts))
	}
	return slog.New(slog.NewTextHandler(safe, opts))
}

// IsTerminal reports whether a person looks at w.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}

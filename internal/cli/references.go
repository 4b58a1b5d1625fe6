package cli

import (
	"io"
	"strings"
	"sync"

	"github.com/sluice-etl/sluice/internal/option"
)

// Packages refer to options by option.Ref, and do not know flags. The functions here put the flags in where text leaves
// the program: error messages, log lines, the output of etl check and etl dry-run, and the status page. Stored dead
// letters, and replies to senders, keep the references, because they are read by people who do not start etl.

// flagNames are the names of the options of all commands.
var flagNames = sync.OnceValue(func() map[string]bool {
	k, err := etl(&commands{}).parser(Streams{Out: io.Discard, Err: io.Discard})
	if err != nil {
		panic(err) // a test parses the same grammar
	}
	names := map[string]bool{}
	for _, all := range flagsByCommand(k.Model.Node) {
		for _, f := range all {
			names[f.Name] = true
		}
	}
	return names
})

// receiverFlags begin the options of receivers where that is not the receiver's name with dashes.
var receiverFlags = map[string]string{"spark": "poll", "syslog_tcp": "syslog"}

// flagName returns the name of the flag of the option that a package refers to, or "" if there is none.
func flagName(name string) string {
	receiver, setting, isReceivers := strings.Cut(name, ".")
	candidates := []string{name}
	if isReceivers {
		candidates = []string{strings.ReplaceAll(receiver, "_", "-") + "-" + setting, receiverFlags[receiver] + "-" + setting}
	}
	for _, c := range candidates {
		if flagNames()[c] {
			return c
		}
	}
	return ""
}

// withFlags returns the text with flags in the place of references to options.
func withFlags(text string) string {
	return option.Replace(text, func(name string) string {
		if flag := flagName(name); flag != "" {
			return "--" + flag
		}
		return ""
	})
}

// flagWriter writes text with flags in the place of references. Each Write must have whole references.
type flagWriter struct{ w io.Writer }

// Write implements io.Writer.
func (f flagWriter) Write(b []byte) (int, error) {
	if _, err := io.WriteString(f.w, withFlags(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}

package migrate

import (
	"fmt"
	"path"
	"strings"

	"github.com/sluice-etl/sluice/internal/quote"
)

// Quote quotes a word for a POSIX shell. Control characters and similar ones become escapes that the shell treats as text,
// because the output must not affect a terminal.
func Quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,@%+=", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(quote.Text(s), "'", `'\''`) + "'"
}

// String returns the plan as text, the command lines first.
func (p *Plan) String() string {
	var w strings.Builder
	agent := quote.Text(p.Agent)
	switch {
	case p.Replaced && !p.Kept:
		fmt.Fprintf(&w, "Agent %s: etl replaces it.\n", agent)
	case p.Replaced:
		fmt.Fprintf(&w, "Agent %s: etl replaces %s; keep the rest.\n", agent, quote.Text(strings.Join(p.Removed, ", ")))
	case len(p.Commands) > 0:
		fmt.Fprintf(&w, "Agent %s: keep it; etl receives its events.\n", agent)
	case p.Elsewhere:
		fmt.Fprintf(&w, "Agent %s: keep it; the command for another agent receives its events.\n", agent)
	default:
		fmt.Fprintf(&w, "Agent %s: etl can replace none of it without changes.\n", agent)
	}
	for i := range p.Commands {
		if len(p.Commands) > 1 {
			fmt.Fprintf(&w, "\nFor %s:\n", quote.Text(strings.Join(p.Commands[i].Of, ", ")))
		}
		fmt.Fprintf(&w, "\n%s", p.Commands[i].String())
	}
	p.add(&w)
	if len(p.Keystores) > 0 {
		fmt.Fprint(&w, "\nFirst convert the keystores (keytool -list shows the ALIAS; keytool and openssl ask for the passwords):\n\n")
		for _, store := range p.Keystores {
			for _, line := range Conversion(store) {
				fmt.Fprintf(&w, "    %s\n", line)
			}
		}
	}
	if len(p.Notes) > 0 {
		fmt.Fprint(&w, "\nNotes:\n")
		for _, text := range p.Notes {
			fmt.Fprintf(&w, "  - %s\n", quote.Text(text))
		}
	}
	list(&w, "Change in the agent", p.Change)
	list(&w, "Keep in the agent", p.Keep)
	list(&w, "Options", p.Used)
	list(&w, "Not needed", p.NotNeeded)
	list(&w, "No equivalent", p.NoEquivalent)
	return w.String()
}

// add names the options that no flume.conf determines.
func (p *Plan) add(w *strings.Builder) {
	loads := 0
	for _, c := range p.Commands {
		if c.Verb != "ingest" {
			loads++
		}
	}
	switch {
	case loads > 1:
		fmt.Fprint(w, "\nAdd --mysql-dsn, --format and --query to each etl run and etl load: no flume.conf contains them.\n")
	case loads > 0:
		fmt.Fprint(w, "\nAdd --mysql-dsn, --format and --query: no flume.conf contains them.\n")
	}
}

// String returns the command for a shell, one option per line. The shell aborts it if a variable is not set.
func (c *Command) String() string {
	var w strings.Builder
	fmt.Fprintf(&w, "    etl %s", c.Verb)
	for _, o := range c.Options {
		fmt.Fprintf(&w, " \\\n      %s", o.Name)
		if !o.Switch {
			fmt.Fprint(&w, " ", word(o.Value))
		}
	}
	return w.String() + "\n"
}

// word quotes a value that may contain variables.
func word(value string) string {
	at := variable.FindAllStringIndex(value, -1)
	if at == nil {
		return Quote(value)
	}
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`)
	var w strings.Builder
	w.WriteByte('"')
	last := 0
	for _, m := range at {
		w.WriteString(escape.Replace(quote.Text(value[last:m[0]])))
		w.WriteString(value[m[0]:m[1]-1] + ":?}")
		last = m[1]
	}
	w.WriteString(escape.Replace(quote.Text(value[last:])) + `"`)
	return w.String()
}

// Conversion returns the commands that convert a Java keystore FILE.jks to FILE.pem and FILE-key.pem. The operator replaces
// ALIAS. The entry's chain is included; other certificates that the keystore trusts are not.
func Conversion(store string) []string {
	base := strings.TrimSuffix(store, path.Ext(store))
	p12 := Quote(base + "-migrate.p12")
	return []string{
		"keytool -importkeystore -srckeystore " + Quote(store) + " -srcalias ALIAS -destkeystore " + p12 + " -deststoretype PKCS12",
		"openssl pkcs12 -in " + p12 + " -nokeys -out " + Quote(base+".pem"),
		"(umask 077; openssl pkcs12 -in " + p12 + " -nocerts -nodes -out " + Quote(base+"-key.pem") + ")",
		"rm " + p12,
	}
}

func list(w *strings.Builder, title string, findings []Finding) {
	if len(findings) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s:\n", title)
	for _, f := range findings {
		fmt.Fprintf(w, "  %s", quote.Text(f.Key))
		if f.Text != "" {
			fmt.Fprintf(w, ": %s", quote.Text(f.Text))
		}
		fmt.Fprintln(w)
	}
}

// Text returns all plans, one after another, and the keys of the file that belong to no agent.
func Text(f *File, plans []Plan) string {
	parts := make([]string, len(plans))
	for i := range plans {
		parts[i] = plans[i].String()
	}
	var w strings.Builder
	fmt.Fprint(&w, strings.Join(parts, "\n"))
	var stray []Finding
	for _, p := range f.Stray {
		stray = append(stray, Finding{p.Key, "Flume ignores it: it belongs to no agent in the file"})
	}
	list(&w, "Not needed, belongs to no agent", stray)
	return w.String()
}

package migrate

import (
	"fmt"
	"path"
	"strings"

	"github.com/sluice-etl/sluice/internal/quote"
)

// Quote writes a word as a POSIX shell reads it. Control characters and their like become escapes that are text to it,
// because what is printed must do nothing to a terminal.
func Quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,@%+=", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(quote.Text(s), "'", `'\''`) + "'"
}

// String is the plan for a person: the command line first.
func (p *Plan) String() string {
	var w strings.Builder
	agent := quote.Text(p.Agent)
	switch {
	case p.Replaced && !p.Kept:
		fmt.Fprintf(&w, "Agent %s: etl takes its place.\n", agent)
	case p.Replaced:
		fmt.Fprintf(&w, "Agent %s: etl takes the place of %s; the rest of it stays.\n", agent, quote.Text(strings.Join(p.Removed, ", ")))
	case len(p.Commands) > 0:
		fmt.Fprintf(&w, "Agent %s: it stays, and etl takes its events.\n", agent)
	case p.Elsewhere:
		fmt.Fprintf(&w, "Agent %s: it stays, and the command of another agent takes its events.\n", agent)
	default:
		fmt.Fprintf(&w, "Agent %s: nothing of it is etl's work as it is.\n", agent)
	}
	for i := range p.Commands {
		if len(p.Commands) > 1 {
			fmt.Fprintf(&w, "\nFor %s:\n", quote.Text(strings.Join(p.Commands[i].Of, ", ")))
		}
		fmt.Fprintf(&w, "\n%s", p.Commands[i].String())
	}
	p.add(&w)
	if len(p.Keystores) > 0 {
		fmt.Fprint(&w, "\nConvert first (keytool -list names the ALIAS; both ask for the passwords):\n\n")
		for _, store := range p.Keystores {
			for _, line := range Conversion(store) {
				fmt.Fprintf(&w, "    %s\n", line)
			}
		}
	}
	if len(p.Look) > 0 {
		fmt.Fprint(&w, "\nLook at this:\n")
		for _, text := range p.Look {
			fmt.Fprintf(&w, "  - %s\n", quote.Text(text))
		}
	}
	list(&w, "Change in the agent", p.Changes)
	list(&w, "Stays in the agent", p.Stays)
	list(&w, "Options", p.Used)
	list(&w, "Not needed", p.NotNeeded)
	list(&w, "No equivalent", p.NoEquivalent)
	return w.String()
}

// add says what no flume.conf has.
func (p *Plan) add(w *strings.Builder) {
	loads := 0
	for _, c := range p.Commands {
		if c.Verb != "ingest" {
			loads++
		}
	}
	switch {
	case loads > 1:
		fmt.Fprint(w, "\nAdd --mysql-dsn, --format and --query to each etl run and etl load: what to count, and where to, is in no flume.conf.\n")
	case loads > 0:
		fmt.Fprint(w, "\nAdd --mysql-dsn, --format and --query: what to count, and where to, is in no flume.conf.\n")
	}
}

// String is the command as it is written into a shell, one option a line. A variable that is not set ends it there.
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

// word is a value that may name variables.
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

// Conversion is the commands that make FILE.pem and FILE-key.pem of a Java keystore FILE.jks. ALIAS in them is to be
// replaced; the chain comes with its entry, and certificates of others that the keystore trusts do not.
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

// Text is all plans, one after the other, and the keys of the file that belong to no agent.
func Text(f *File, plans []Plan) string {
	parts := make([]string, len(plans))
	for i := range plans {
		parts[i] = plans[i].String()
	}
	var w strings.Builder
	fmt.Fprint(&w, strings.Join(parts, "\n"))
	var stray []Finding
	for _, p := range f.Stray {
		stray = append(stray, Finding{p.Key, "Flume ignores it: it belongs to no agent of the file"})
	}
	list(&w, "Not needed, of no agent", stray)
	return w.String()
}

package migrate

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/internal/quote"
)

var rewrite = flag.Bool("rewrite", false, "write the goldens and docs/flume-properties.md")

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-expected +got), run with -rewrite and read the difference:\n%s", file, diff)
	}
}

func confs(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.conf")
	if err != nil || len(files) < 8 {
		t.Fatalf("got %v, %v; expected at least 8 elements and no error", files, err)
	}
	return files
}

func read(t testing.TB, file string) *File {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPlans(t *testing.T) {
	t.Parallel()
	for _, file := range confs(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			f := read(t, file)
			golden(t, strings.TrimSuffix(file, ".conf")+".golden", Text(f, Plans(f)))
		})
	}
}

// Every key of the file has an outcome, and no secret is printed.
func TestPlans_accountForEveryKey(t *testing.T) {
	t.Parallel()
	for _, file := range confs(t) {
		f := read(t, file)
		plans := Plans(f)
		accounted(t, f, plans)
		if text := Text(f, plans); strings.Contains(text, "hush") || strings.Contains(text, "= secret") {
			t.Errorf("%s: a password was printed", file)
		}
	}
}

func accounted(t *testing.T, f *File, plans []Plan) {
	t.Helper()
	for i, a := range f.Agents {
		p := plans[i]
		said := slices.Concat(p.Used, p.Keep, p.Change, p.NotNeeded, p.NoEquivalent)
		keys := slices.Concat(a.Lists, a.Stray)
		for _, c := range a.Components {
			keys = append(keys, c.Properties...)
		}
		for _, k := range keys {
			if !slices.ContainsFunc(said, func(f Finding) bool {
				prefix, all := strings.CutSuffix(f.Key, "*")
				return f.Key == k.Key || all && strings.HasPrefix(k.Key, prefix)
			}) {
				t.Errorf("no outcome for %q", k.Key)
			}
		}
	}
}

func TestParse_errors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", "line 1: got the end of the file, and no agent"},
		{"# a comment\n\n<configuration>\n", `line 3: got "<configuration>", and no agent`},
		{"a.sources = r\na.sources.r.type = \\u12zz\n", "line 2: "},
		{"a.sources = r\n\x00", "line 2: got a zero byte"},
		{strings.Repeat("x", MaxBytes+1), "expected a flume.conf of"},
	} {
		if _, err := Parse([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: got %v, expected %q", c.text, err, c.want)
		}
	}
}

// Java's escapes and continued lines are parsed; ${…} is left unchanged.
func TestParse_properties(t *testing.T) {
	t.Parallel()
	const text = "a.sources: r \\\n   s\na.sources.r.port=${PORT}\na.sources.s.bind = caf\\u00e9 \\\n\n"
	for _, text := range []string{text, strings.ReplaceAll(text, "\n", "\r\n"), "\xef\xbb\xbf" + text} {
		f, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(f.Agents[0].Components); n != 2 {
			t.Fatalf("%d sources, expected 2", n)
		}
		got := []string{f.Agents[0].Lists[0].Value, f.Agents[0].Components[0].Get("port"), f.Agents[0].Components[1].Get("bind")}
		if diff := cmp.Diff([]string{"r s", "${PORT}", "café"}, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{"": "''", "a:1": "a:1", "deny:ip:*": "'deny:ip:*'", "it's": `'it'\''s'`, "a\x1b[2J": `'a\x1b[2J'`, "a\u202e\u009b'\n": `'a\u202e\u009b'\''\n'`, "\x9b": `'\x9b'`, "$(rm)": "'$(rm)'", "~x": "'~x'"} {
		if got := Quote(s); got != want {
			t.Errorf("Quote(%q) is %s, expected %s", s, got, want)
		}
	}
}

// The file's text cannot affect a terminal, and a quoted word stays one word in a shell.
func TestText_hostileText(t *testing.T) {
	t.Parallel()
	const hostile = "\x1b]0;owned\x07\x1b[2J\u009b31m\x9b31m\u202eabc\u2066\u2028\x7f\r"
	conf := "a\u202e.sources = s\na\u202e.sources.s.type = avro\na\u202e.sources.s.port = 1\na\u202e.sources.s.bind = 'x" + strings.TrimSuffix(hostile, "\r") +
		"\nb.sources = s\nb.sources.s.type = \\u001b[2J\\u009b31m\nb.sources.s.x\\u001b = 1\nstray\\u001b = \\u202e\n"
	f, err := Parse([]byte(conf))
	if err != nil {
		t.Fatal(err)
	}
	if text := Text(f, Plans(f)); quote.Needed(strings.ReplaceAll(text, "\n", "")) {
		t.Errorf("got %q", text)
	}
	for _, s := range []string{hostile, "'" + hostile + "'", "\x1b", "a\nb", "\u202e$(id)"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+Quote(s)).Output()
		if err != nil || string(out) != quote.Text(s) {
			t.Errorf("%q: the shell reads %q, %v; expected %v and no error", s, out, err, quote.Text(s))
		}
	}
}

func FuzzPlans(f *testing.F) {
	for _, file := range confs(f) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse([]byte(text))
		if err != nil {
			return
		}
		plans := Plans(file)
		accounted(t, file, plans)
		_ = Text(file, plans)
	})
}

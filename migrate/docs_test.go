package migrate

import (
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The tables of docs/migration.md are those of Rules, key by key and in its order; -rewrite writes them.
func TestRules_areTheDocuments(t *testing.T) {
	t.Parallel()
	const file = "../docs/migration.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const begin = "<!-- the tables are made by: go test ./migrate -rewrite -->\n"
	head, _, ok := strings.Cut(string(text), begin)
	if !ok {
		t.Fatalf("%s has no line %q", file, begin)
	}
	golden(t, file, head+begin+tables())
}

func tables() string {
	var w strings.Builder
	var order []string
	rows := map[string][]Rule{}
	for _, r := range Rules() {
		if rows[r.Of] == nil {
			order = append(order, r.Of)
		}
		rows[r.Of] = append(rows[r.Of], r)
	}
	for _, of := range order {
		fmt.Fprintf(&w, "\n### %s%s\n\n| property | etl | |\n|---|---|---|\n", strings.ToUpper(of[:1]), of[1:])
		for _, r := range rows[of] {
			fate := r.Fate.String()
			if r.Fate == Becomes {
				fate = "`" + strings.Join(r.Options, "`, `") + "`"
			}
			fmt.Fprintf(&w, "| `%s` | %s | %s |\n", r.Key, fate, r.Text)
		}
	}
	return w.String()
}

// A key has one rule, each rule that is an option names it, and each that is not there says why.
func TestRules(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range Rules() {
		key := r.Of + " " + r.Key
		if seen[key] {
			t.Errorf("%s: two rules", key)
		}
		seen[key] = true
		if (r.Fate == Becomes) != (len(r.Options) > 0) || r.Text == "" && (r.Fate == NotNeeded || r.Fate == Missing || r.Fate == Changes) {
			t.Errorf("%s: %v %v %q", key, r.Fate, r.Options, r.Text)
		}
	}
}

// The commands that are printed make files which a Go server loads, of both kinds of keystore.
func TestConversion(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"keytool", "openssl", "sh"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("CANNOT RUN:", err)
		}
	}
	for _, kind := range []string{"JKS", "PKCS12"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			base := filepath.Join(t.TempDir(), "the collector's")
			store := Quote(base + ".jks")
			shell(t, "keytool -genkeypair -alias flume -dname CN=collector -keyalg EC -storepass changeit -keypass changeit -storetype "+kind+" -keystore "+store)
			shell(t, "keytool -genkeypair -alias other -dname CN=other -keyalg EC -storepass changeit -keypass changeit -keystore "+store)
			for _, line := range Conversion(base + ".jks") {
				line = strings.Replace(line, "-srcalias ALIAS", "-srcalias flume -srcstorepass changeit -deststorepass changeit", 1)
				shell(t, regexp.MustCompile(`pkcs12 `).ReplaceAllString(line, "pkcs12 -passin pass:changeit "))
			}
			cert, err := tls.LoadX509KeyPair(base+".pem", base+"-key.pem")
			if err != nil {
				t.Fatal(err)
			}
			if got := cert.Leaf.Subject.CommonName; got != "collector" {
				t.Errorf("got the certificate of %s", got)
			}
		})
	}
}

func shell(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "sh", "-ec", line).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

package cli

import (
	"context"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// documents returns the Markdown files of this repository, by path from its root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		docs[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) < 15 {
		t.Fatalf("found %d documents, expected 15 or more", len(docs))
	}
	return docs
}

// A line of a document has at most 120 columns, so a table cannot hold sentences.
func TestDocs_lineWidth(t *testing.T) {
	t.Parallel()
	for name, text := range documents(t) {
		for i, line := range strings.Split(text, "\n") {
			if n := utf8.RuneCountInString(line); n > 120 {
				t.Errorf("%s:%d has %d columns, must be at most 120: %s", name, i+1, n, line)
			}
		}
	}
}

// A link inside the repository leads to a file that exists, and to a heading of it.
func TestDocs_links(t *testing.T) {
	t.Parallel()
	docs := documents(t)
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for name, text := range docs {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := name
			if target != "" {
				file = filepath.ToSlash(filepath.Join(filepath.Dir(name), target))
			}
			if _, err := os.Stat(filepath.Join("..", "..", file)); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, m[1])
			} else if heading != "" && !anchors(docs[file])[heading] {
				t.Errorf("%s links to %s, but %s has no such heading", name, m[1], file)
			}
		}
	}
}

// anchors returns the names by which links lead to the headings of a document.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		name := strings.ToLower(m[1])
		name = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(name, "")
		found[strings.ReplaceAll(name, " ", "-")] = true
	}
	return found
}

// A message that docs/troubleshooting.md explains is one of the program: it stands, with any text for each ellipsis, in
// one line of code that is not a test's.
func TestDocs_troubleshootingTexts(t *testing.T) {
	t.Parallel()
	references := regexp.MustCompile(`(?:" ?\+ ?)?option\.Ref\("([a-z-]+)"\)(?: ?\+ ?")?`) // as flags, within the text around them
	var code []string
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		code = append(code, strings.Split(references.ReplaceAllString(string(text), "--$1"), "\n")...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	messages := regexp.MustCompile("\\*\\*`([^`]+)`\\*\\*").FindAllStringSubmatch(documents(t)["docs/troubleshooting.md"], -1)
	if len(messages) < 40 {
		t.Errorf("found %d messages, expected 40 or more", len(messages))
	}
	for _, m := range messages {
		pieces := strings.Split(strings.ReplaceAll(m[1], "\n", " "), "…")
		for i, p := range pieces {
			pieces[i] = regexp.QuoteMeta(strings.Join(strings.Fields(p), " "))
		}
		pattern := regexp.MustCompile(strings.Join(pieces, ".*"))
		if !slices.ContainsFunc(code, pattern.MatchString) {
			t.Errorf("docs/troubleshooting.md explains %q, which is in no line of code", m[1])
		}
	}
}

// Each etl command in a block of a document is one that a shell splits and etl's parser takes.
func TestDocs_commandsParse(t *testing.T) {
	withoutEnvironment(t)
	commands := 0
	for name, text := range documents(t) {
		for _, command := range etlCommands(text) {
			commands++
			args, err := splitByShell(t.Context(), command)
			if err != nil {
				t.Errorf("%s: %s: %v", name, command, err)
				continue
			}
			if err := parses(args); err != nil {
				t.Errorf("%s: %s: %v", name, command, err)
			}
		}
	}
	if commands < 15 {
		t.Errorf("found %d commands, expected 15 or more", commands)
	}
}

// etlCommands returns the lines of a document's indented blocks that run etl, including continuation lines.
func etlCommands(text string) (all []string) {
	begins := regexp.MustCompile(`^ {4}(?:\./)?etl [a-z]`)
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if !begins.MatchString(lines[i]) {
			continue
		}
		command := lines[i]
		for i+1 < len(lines) && (strings.HasSuffix(command, `\`) || strings.Count(command, "'")%2 == 1) {
			i++
			command += "\n" + lines[i]
		}
		all = append(all, strings.TrimPrefix(strings.TrimSpace(command), "./"))
	}
	return all
}

// splitByShell returns a command's words after etl, without an ellipsis at the end, which stands for more options.
func splitByShell(ctx context.Context, command string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "sh", "-c", `etl() { for a in "$@"; do printf '%s\0' "$a"; done; }; `+command).Output()
	args := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if n := len(args) - 1; args[n] == "…" {
		args = args[:n]
	}
	return args, err
}

func parses(args []string) error {
	var c commands
	_, err := etl(&c).Parse(args, Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	return err
}

package migrate

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// entry is one key of a Java properties file, with the line on which it begins.
type entry struct {
	key, value string
	line       int
}

const blanks = " \t\f"

// parseProperties reads the format of java.util.Properties.load: comments, continued lines, escapes, and =, : or white
// space between key and value. Repeated keys are all returned. Bytes that are not UTF-8 become U+FFFD.
func parseProperties(text string) ([]entry, error) {
	text = strings.ToValidUTF8(strings.TrimPrefix(text, "\uFEFF"), string(utf8.RuneError))
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text) // Java treats CRLF and CR as one line end, after a backslash too
	lines := strings.Split(text, "\n")
	var out []entry
	for i := 0; i < len(lines); i++ {
		first := i
		logical := strings.TrimLeft(lines[i], blanks)
		if logical == "" || logical[0] == '#' || logical[0] == '!' {
			continue
		}
		if continues(logical) {
			var w strings.Builder
			w.WriteString(logical[:len(logical)-1])
			for i++; i < len(lines); i++ {
				next := strings.TrimLeft(lines[i], blanks)
				if !continues(next) {
					w.WriteString(next)
					break
				}
				w.WriteString(next[:len(next)-1])
			}
			logical = w.String()
		}
		key, value := separate(logical)
		e := entry{line: first + 1}
		var err error
		if e.key, err = unescape(key); err == nil {
			e.value, err = unescape(value)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w; expected a Java properties file, KEY = VALUE", first+1, err)
		}
		out = append(out, e)
	}
	return out, nil
}

// continues reports whether the line is continued on the next one: it ends with an odd number of backslashes.
func continues(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// separate splits a logical line at the first =, : or white space that is not escaped.
func separate(line string) (key, value string) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if c := line[i]; c == '\\' {
			i++
		} else if c == '=' || c == ':' || strings.IndexByte(blanks, c) >= 0 {
			end = i
			break
		}
	}
	value = strings.TrimLeft(line[end:], blanks)
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], blanks)
	}
	return line[:end], value
}

func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var w strings.Builder
	var units []uint16 // two \u escapes may be a surrogate pair
	flush := func() {
		w.WriteString(string(utf16.Decode(units)))
		units = units[:0]
	}
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			flush()
			w.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			break // Java drops a backslash at the end of the file
		}
		if s[i] == 'u' {
			unit, err := strconv.ParseUint(s[i+1:min(i+5, len(s))], 16, 16)
			if err != nil || i+5 > len(s) {
				return "", fmt.Errorf(`%q is not an escape of four hexadecimal digits`, s[i-1:min(i+5, len(s))])
			}
			units = append(units, uint16(unit))
			i += 4
			continue
		}
		flush()
		if at := strings.IndexByte("tnrf", s[i]); at >= 0 {
			w.WriteByte("\t\n\r\f"[at])
		} else {
			w.WriteByte(s[i])
		}
	}
	flush()
	return w.String(), nil
}

package format

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/internal/option"
)

// maxFormatString is the maximum number of bytes of the text of a log format.
const maxFormatString = 8 << 10

// vhostCombined is the format that Debian's configuration of Apache calls vhost_combined.
const vhostCombined = `%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i"`

func newApache(text string) (Format, error) { return newCustom("apache", text) }

func newNginx(text string) (Format, error) { return newCustom("nginx", text) }

// newCustom compiles a log format of Apache or nginx.
func newCustom(kind, text string) (Format, error) {
	fail := func(err error) (Format, error) {
		return nil, fmt.Errorf("%s: cannot read the log format of %s: %w", option.Ref("log-format-string"), kind, err)
	}
	text = strings.TrimSpace(strings.TrimPrefix(text, value.ByteOrderMark))
	if text == "" || len(text) > maxFormatString {
		return fail(fmt.Errorf("got %d bytes, expected 1 to %d: the format as the server's configuration has it", len(text), maxFormatString))
	}
	b := &formatBuilder{names: map[string]int{}}
	var err error
	if kind == "apache" {
		if text == "vhost_combined" {
			text = vhostCombined
		}
		text = unwrap(text, "LogFormat")
		err = b.apache(text)
	} else {
		text, b.f.raw = nginxText(text)
		err = b.nginx(text)
	}
	if err != nil {
		return fail(err)
	}
	f, err := b.finish()
	if err != nil {
		return fail(err)
	}
	return f, nil
}

// Guess names the log format that a text of a server's configuration most likely is: apache or nginx.
func Guess(text string) string {
	if strings.Contains(text, "$") && !strings.Contains(text, "%") {
		return "nginx"
	}
	return "apache"
}

// unwrap removes a directive's name, the quotes and what follows the quoted text.
func unwrap(text, directive string) string {
	if len(text) > len(directive) && strings.EqualFold(text[:len(directive)], directive) {
		text = strings.TrimSpace(text[len(directive):])
		if text != "" && (text[0] == '"' || text[0] == '\'') {
			n := value.QuotedLength(text)
			return text[1:max(1, n-1)]
		}
	}
	// This is one quoted argument, perhaps followed by the name of the format. A format that begins with a quoted field,
	// as "%r" %s does, is followed by more than a name.
	if text != "" && (text[0] == '"' || text[0] == '\'') {
		n := value.QuotedLength(text)
		behind := strings.TrimSpace(text[n:])
		inside := text[1:max(1, n-1)]
		whole := text[0] == '\'' || strings.Contains(inside, `\"`) || strings.ContainsFunc(inside, unicode.IsSpace)
		if whole && !strings.ContainsAny(behind, "%$ \t\"'") {
			return inside
		}
	}
	return text
}

// cutSpace splits a text at its first white space, which may be of any kind in a configuration.
func cutSpace(text string) (word, rest string) {
	i := strings.IndexFunc(text, unicode.IsSpace)
	if i < 0 {
		return text, ""
	}
	return text[:i], strings.TrimSpace(text[i:])
}

// nginxText joins the quoted strings of a log_format: 'a ' 'b'. raw reports escape=none.
func nginxText(text string) (joined string, raw bool) {
	text = strings.TrimSuffix(text, ";")
	if rest, ok := strings.CutPrefix(text, "log_format"); ok {
		_, text = cutSpace(strings.TrimSpace(rest))
	}
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(text, "escape="); ok {
		var how string
		how, text = cutSpace(rest)
		raw = how == "none"
	}
	if text == "" || text[0] != '\'' {
		return unwrap(text, "log_format"), raw
	}
	for rest := text; rest != "" && (rest[0] == '\'' || rest[0] == '"'); {
		n := value.QuotedLength(rest)
		joined += unescape(rest[1:max(1, n-1)])
		rest = strings.TrimSpace(rest[n:])
	}
	return joined, raw
}

var unescape = strings.NewReplacer(`\"`, `"`, `\'`, `'`, `\t`, "\t", `\n`, "\n", `\r`, "\r", `\\`, `\`).Replace

// apache reads LogFormat (Apache's mod_log_config, "Custom Log Names").
func (b *formatBuilder) apache(text string) error {
	text = unescape(text)
	for text != "" {
		i := strings.IndexByte(text, '%')
		if i < 0 {
			i = len(text)
		}
		b.literal = append(b.literal, text[:i]...)
		if text = text[i:]; text == "" {
			break
		}
		if strings.HasPrefix(text, "%%") {
			b.literal, text = append(b.literal, '%'), text[2:]
			continue
		}
		rest := strings.TrimLeft(text[1:], "!,0123456789<>")
		arg := ""
		if strings.HasPrefix(rest, "{") {
			end := strings.IndexByte(rest, '}')
			if end < 0 {
				return fmt.Errorf("%s has no }", text)
			}
			arg, rest = rest[1:end], rest[end+1:]
		}
		rest = strings.TrimLeft(rest, "!,0123456789<>")
		if strings.HasPrefix(rest, "^") && len(rest) >= 3 {
			rest = rest[:1] + rest // ^ti and ^to are rejected below, with their name
			return fmt.Errorf("%s is not supported", text[:len(text)-len(rest)+4])
		}
		if rest == "" {
			return errors.New("it ends within a % directive")
		}
		c := rest[0]
		shown := text[:len(text)-len(rest)+1]
		text = rest[1:]
		if err := b.directive(shown, c, arg); err != nil {
			return err
		}
	}
	return nil
}

func (b *formatBuilder) directive(shown string, c byte, arg string) error {
	switch c {
	case 'h', 'a':
		name := "host"
		if c == 'a' {
			name = "client_ip"
			if arg == "c" {
				name = "peer_ip"
			}
		}
		b.field(shown, piece{field: fieldHost}, textColumn(name))
	case 'u':
		b.field(shown, piece{field: fieldUser, spaces: -1}, textColumn("user"))
	case 'r':
		b.request(shown)
	case 't':
		return b.time(shown, arg)
	case 's':
		b.field(shown, piece{field: fieldText}, intColumn("status", false))
	case 'T':
		switch arg {
		case "", "s":
			b.field(shown, piece{field: fieldText}, intColumn("duration_s", true))
		case "ms", "us":
			b.field(shown, piece{field: fieldText}, intColumn("duration_"+arg, true))
		default:
			return fmt.Errorf("%s: expected {ms}, {us} or {s}", shown)
		}
	case 'i', 'o', 'e', 'C', 'n':
		return b.named(shown, c, arg)
	default:
		if name := apacheNumbers[c]; name != "" {
			if c == 'P' && arg == "tid" {
				name = "tid"
			}
			b.field(shown, piece{field: fieldText}, intColumn(name, true))
			return nil
		}
		name := apacheTexts[c]
		if name == "" {
			return fmt.Errorf("%s is not a known directive", shown)
		}
		b.field(shown, piece{field: fieldText}, textColumn(name))
	}
	return nil
}

var (
	apacheNumbers = map[byte]string{
		'b': "bytes", 'B': "bytes", 'O': "bytes_sent", 'I': "bytes_received", 'S': "bytes_transferred", 'D': "duration_us", 'p': "port", 'k': "keepalive", 'P': "pid",
	}
	apacheTexts = map[byte]string{
		'l': "ident", 'v': "vhost", 'V': "server_name", 'A': "local_ip", 'U': "url_path", 'q': "query_string", 'm': "method", 'H': "protocol", 'f': "filename", 'L': "log_id", 'X': "connection", 'R': "handler",
	}
	namePrefix = map[byte]string{'i': "", 'o': "out_", 'e': "env_", 'C': "cookie_", 'n': "note_"}
)

// named adds a header, variable, cookie or note.
func (b *formatBuilder) named(shown string, c byte, arg string) error {
	switch {
	case arg == "":
		return fmt.Errorf("%s has no name: expected %%{name}%c", shown, c)
	case arg == "_" || arg == "__":
		b.skip(shown, arg)
		return nil
	case c == 'i' && strings.EqualFold(arg, "Referer"):
		b.field(shown, piece{field: fieldText}, textColumn("referer"))
	case c == 'i' && strings.EqualFold(arg, "User-Agent"):
		b.field(shown, piece{field: fieldText, spaces: -1}, textColumn("agent"))
	default:
		b.field(shown, piece{field: fieldText, list: strings.EqualFold(arg, "X-Forwarded-For")}, textColumn(namePrefix[c]+columnName(arg)))
	}
	return nil
}

// columnName returns a name in lower case, with underscores in place of what is neither a letter nor a digit.
func columnName(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'A' && c <= 'Z':
			return c - 'A' + 'a'
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			return c
		}
		return '_'
	}, name)
}

func (b *formatBuilder) skip(shown, name string) {
	p := piece{field: fieldText}
	if name == "__" {
		p.spaces = -1
	}
	b.field(shown, p)
}

func (b *formatBuilder) request(shown string) {
	b.field(shown, piece{field: fieldRequest}, textColumn("method"), textColumn("path"), textColumn("protocol"))
}

// time adds %t and %{format}t.
func (b *formatBuilder) time(shown, arg string) error {
	arg = strings.TrimPrefix(strings.TrimPrefix(arg, "begin:"), "end:")
	switch arg {
	case "":
		b.literal = append(b.literal, '[')
		b.field(shown, piece{field: fieldText, spaces: 1}, clfColumn)
		b.literal = append(b.literal, ']')
	case "sec":
		b.field(shown, piece{field: fieldText}, epochColumn("s", 6))
	case "msec":
		b.field(shown, piece{field: fieldText}, epochColumn("ms", 3))
	case "usec":
		b.field(shown, piece{field: fieldText}, epochColumn("us", 0))
	case "%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y:%T %z", "%d/%b/%Y:%H:%M:%S", "%d/%b/%Y:%T":
		b.field(shown, piece{field: fieldText, spaces: strings.Count(arg, " ")}, clfColumn)
	case "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %T", "%F %T", "%FT%T", "%FT%T%z", "%FT%TZ", "%F %T %z", "%Y-%m-%dT%T%z":
		p := piece{field: fieldText, spaces: strings.Count(arg, " ")}
		b.field(shown, p, isoColumn)
	default:
		return fmt.Errorf("%s: this time format is not supported: expected %%t, %%{sec}t, %%{msec}t, %%{usec}t, %%{%%Y-%%m-%%d %%H:%%M:%%S}t or %%{%%Y-%%m-%%dT%%H:%%M:%%S%%z}t", shown)
	}
	return nil
}

// nginx reads log_format (ngx_http_log_module).
func (b *formatBuilder) nginx(text string) error {
	for text != "" {
		i := strings.IndexByte(text, '$')
		if i < 0 {
			i = len(text)
		}
		b.literal = append(b.literal, text[:i]...)
		if text = text[i:]; text == "" {
			break
		}
		name, rest := "", ""
		if strings.HasPrefix(text, "${") {
			end := strings.IndexByte(text, '}')
			if end < 0 {
				return fmt.Errorf("%s has no }", text)
			}
			name, rest = text[2:end], text[end+1:]
		} else {
			n := 1
			for n < len(text) && (text[n] == '_' || columnName(text[n:n+1]) != "_") {
				n++
			}
			name, rest = text[1:n], text[n:]
		}
		if name == "" {
			return errors.New("$ without the name of a variable")
		}
		b.variable("$"+name, name)
		text = rest
	}
	return nil
}

var nginxNumbers = map[string]string{
	"status": "status", "body_bytes_sent": "bytes", "bytes_sent": "bytes_sent", "request_length": "request_length", "connection": "connection", "connection_requests": "connection_requests",
	"server_port": "server_port", "remote_port": "remote_port", "pid": "pid", "content_length": "content_length",
}

func (b *formatBuilder) variable(shown, name string) {
	switch name {
	case "_", "__":
		b.skip(shown, name)
	case "remote_addr":
		b.field(shown, piece{field: fieldHost}, textColumn("host"))
	case "remote_user":
		b.field(shown, piece{field: fieldUser, spaces: -1}, textColumn("user"))
	case "time_local":
		b.field(shown, piece{field: fieldText, spaces: 1}, clfColumn)
	case "time_iso8601":
		b.field(shown, piece{field: fieldText}, isoColumn)
	case "msec":
		b.field(shown, piece{field: fieldText}, epochColumn("s", 6))
	case "request":
		b.request(shown)
	case "http_referer":
		b.field(shown, piece{field: fieldText}, textColumn("referer"))
	case "http_user_agent":
		b.field(shown, piece{field: fieldText, spaces: -1}, textColumn("agent"))
	case "request_time", "gzip_ratio":
		b.field(shown, piece{field: fieldText}, decimalColumn(name))
	case "host":
		b.field(shown, piece{field: fieldText}, textColumn("vhost"))
	case "request_method":
		b.field(shown, piece{field: fieldText}, textColumn("method"))
	case "server_protocol":
		b.field(shown, piece{field: fieldText}, textColumn("protocol"))
	default:
		if column := nginxNumbers[name]; column != "" {
			b.field(shown, piece{field: fieldText}, intColumn(column, column != "status"))
			return
		}
		list := strings.HasPrefix(name, "upstream_") || strings.HasSuffix(name, "_x_forwarded_for")
		c := textColumn(columnName(strings.TrimPrefix(name, "http_")))
		c.typ.Nullable = strings.HasPrefix(name, "upstream_")
		b.field(shown, piece{field: fieldText, list: list}, c)
	}
}

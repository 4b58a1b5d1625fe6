package migrate

import (
	"cmp"
	"net"
	"path"
	"strings"
)

func isTrue(s string) bool { return strings.EqualFold(s, "true") }

// address is what a -listen option takes: an address that stands for all is left out.
func address(host, port string) string {
	switch host {
	case "0.0.0.0", "::", "0:0:0:0:0:0:0:0", "*":
		host = ""
	}
	return net.JoinHostPort(host, port)
}

// source says what becomes of a source.
func (b *builder) source(c *Component) {
	b.interceptors(c)
	of := kindOf(c)
	if !b.Replaced {
		b.all(c, Stays, "the agent keeps its sources")
		return
	}
	switch of {
	case "":
		b.foreign(c)
		return
	case ofSpooldir:
		b.spooldir(c)
		return
	}
	if !b.opens(c, of) {
		b.all(c, Missing, "it belongs to that one more etl")
		return
	}
	switch of {
	case ofThrift:
		b.kerberos(c)
		b.protocolTrap(c)
	case ofHTTP:
		b.handler(c)
	case ofSyslogTCP, ofMultiport, ofSyslogUDP:
		b.syslog(c, of != ofSyslogUDP)
	case ofNetcat:
		b.netcat(c)
	}
	for _, t := range tlsSources() {
		if t.of == of {
			b.tls(c, t.receiver)
		}
	}
	if of == ofAvro && isTrue(c.Get("ipFilter")) && c.Get("ipFilterRules") != "" {
		b.ipFilter(c)
	}
	for _, name := range []string{"threads", "maxIoWorkers"} {
		if of == ofAvro && c.Get(name) != "" {
			b.look("%s: Flume 1.10 and later ignore it as well; the number of connections is bounded by --avro-max-connections", c.Key(b.Agent, name))
		}
	}
	if c.Get("selector.type") != "" || len(strings.Fields(c.Get("channels"))) > 1 {
		b.look("%s: its events went into several channels by a selector; etl puts all into one topic", c.Key(b.Agent, "*"))
	}
	b.rest(c, of)
}

// opens gives the option by which events come in; it is false where that is another source's already.
func (b *builder) opens(c *Component, of string) bool {
	switch of {
	case ofAvro:
		return b.listener(c, "avro", "bind", "port")
	case ofThrift:
		return b.listener(c, "thrift", "bind", "port")
	case ofHTTP:
		return b.listener(c, "http", "bind", "port")
	case ofSyslogTCP:
		return b.listener(c, "syslog-tcp", "host", "port")
	case ofMultiport:
		return b.multiport(c)
	case ofSyslogUDP:
		return b.listener(c, "syslog-udp", "host", "port")
	case ofNetcat:
		return b.listener(c, "netcat", "bind", "port")
	case ofNetcatUDP:
		return b.listener(c, "netcat-udp", "bind", "port")
	}
	if !b.kafka(c, "consumer", []string{"kafka.topics", "topic"}, "", "useFlumeEventFormat", false) {
		return false
	}
	b.begin(c)
	return true
}

// listener gives the -listen option, of a host and a port; it is false where another source has it.
func (b *builder) listener(c *Component, receiver, host, port string) bool {
	p := c.Get(port)
	name := "--" + receiver + "-listen"
	if p == "" {
		b.look("%s is missing: Flume does not start without it; etl's option is %s", c.Key(b.Agent, port), name)
		return true
	}
	if !b.option(c.Key(b.Agent, port), name, address(c.Get(host), p)) {
		return false
	}
	if c.Get(host) != "" {
		b.use(c.Key(b.Agent, host), name)
	}
	return true
}

func (b *builder) multiport(c *Component) bool {
	ports := strings.FieldsFunc(c.Get("ports"), func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })
	key := c.Key(b.Agent, "ports")
	if len(ports) == 0 {
		b.look("%s is missing: Flume does not start without it; etl's option is --syslog-tcp-listen", key)
		return true
	}
	if !b.option(key, "--syslog-tcp-listen", address(c.Get("host"), ports[0])) {
		if len(ports) > 1 {
			b.NoEquivalent = append(b.NoEquivalent, Finding{key, "the same for " + strings.Join(ports[1:], ", ")})
		}
		return false
	}
	if c.Get("host") != "" {
		b.use(c.Key(b.Agent, "host"), "--syslog-tcp-listen")
	}
	if len(ports) > 1 {
		b.NoEquivalent = append(b.NoEquivalent, Finding{key, "etl listens on one port, " + ports[0] + "; send there in place of " + strings.Join(ports[1:], ", ") + ", or run one etl ingest for each"})
	}
	return true
}

// tls gives the options of a certificate out of a keystore.
func (b *builder) tls(c *Component, receiver string) {
	ssl := "ssl"
	if c.Get(ssl) == "" && c.Get("enableSSL") != "" {
		ssl = "enableSSL"
	}
	if !isTrue(c.Get(ssl)) {
		return
	}
	key, prefix, store := c.Key(b.Agent, ssl), "--"+receiver+"-tls-", c.Get("keystore")
	base := strings.TrimSuffix(store, path.Ext(store))
	if store == "" {
		base = receiver
		b.look("%s: the keystore is one of the JVM's options or of FLUME_SSL_KEYSTORE_PATH; convert that one", key)
	} else {
		key = c.Key(b.Agent, "keystore")
		b.Keystores = append(b.Keystores, store)
	}
	if b.option(key, prefix+"cert", base+".pem") {
		b.option(key, prefix+"key", base+"-key.pem")
	}
	b.on(c.Key(b.Agent, ssl), prefix+"required")
}

func (b *builder) ipFilter(c *Component) {
	key := c.Key(b.Agent, "ipFilterRules")
	if b.option(key, "--ip-filter", c.Get("ipFilterRules")) {
		b.use(c.Key(b.Agent, "ipFilter"), "--ip-filter")
		b.look("--ip-filter holds for every receiver, not for %s alone", c.Key(b.Agent, "*"))
	}
}

// protocolTrap tells of a choice that Flume takes by case.
func (b *builder) protocolTrap(c *Component) {
	if p := c.Get("protocol"); p != "binary" && strings.EqualFold(p, "binary") {
		b.look("%s = %s means compact: Flume knows binary in small letters only; etl takes both", c.Key(b.Agent, "protocol"), p)
	}
}

func (b *builder) kerberos(c *Component) {
	if c.Get("kerberos") != "" && !isTrue(c.Get("kerberos")) {
		b.say(NotNeeded, c.Key(b.Agent, "kerberos"), "it is "+c.Get("kerberos"))
	}
}

func (b *builder) handler(c *Component) {
	h := c.Get("handler")
	if h != "" && !strings.HasSuffix(h, ".JSONHandler") {
		text := "etl reads JSONHandler's form, [{\"headers\":{…},\"body\":\"…\"}]; have the senders write that"
		if strings.HasSuffix(h, ".BLOBHandler") || strings.HasSuffix(h, ".BlobHandler") {
			text = "a body as one event is not there; " + text
		}
		b.say(Missing, c.Key(b.Agent, "handler"), text)
	}
}

func (b *builder) syslog(c *Component, tcp bool) {
	if v := c.Get("eventSize"); v != "" && tcp {
		b.option(c.Key(b.Agent, "eventSize"), "--syslog-max-line-bytes", v)
	}
	key := c.Key(b.Agent, "keepFields")
	switch v := c.Get("keepFields"); strings.ToLower(v) {
	case "":
	case "true", "all":
		b.option(key, "--syslog-keep-fields", "all")
	case "false", "none":
		b.say(NotNeeded, key, "it is "+v)
	default:
		b.say(Missing, key, "--syslog-keep-fields is none or all; the query has the fields as header('host') and so on")
	}
}

func (b *builder) netcat(c *Component) {
	if v := c.Get("max-line-length"); v != "" {
		b.option(c.Key(b.Agent, "max-line-length"), "--netcat-max-line-bytes", v)
	}
	if v := c.Get("ack-every-event"); v != "" && !isTrue(v) {
		b.say(Missing, c.Key(b.Agent, "ack-every-event"), "etl answers each line with OK; the sender may leave it unread")
	}
	if v := c.Get("encoding"); v != "" && !strings.EqualFold(v, "utf-8") && !strings.EqualFold(v, "utf8") {
		b.say(Missing, c.Key(b.Agent, "encoding"), "bytes are kept as they come; have senders write UTF-8")
	}
}

func (b *builder) spooldir(c *Component) {
	dir := c.Get("spoolDir")
	if dir == "" {
		b.look("%s is missing: Flume does not start without it", c.Key(b.Agent, "spoolDir"))
	} else {
		key := c.Key(b.Agent, "spoolDir")
		b.option(key, "--watch-dir", dir)
		b.option(key, "--watch-state", "/var/lib/etl")
		b.look("--watch-state is where the progress is kept: a folder on a disk that stays")
		if !strings.EqualFold(c.Get("deletePolicy"), "immediate") {
			b.look("%s: Flume leaves files that it has read in the folder, as *%s; move them away before etl starts, which would read them once more", key, cmp.Or(c.Get("fileSuffix"), ".COMPLETED"))
		}
	}
	if d := c.Get("deserializer"); d != "" && !strings.EqualFold(d, "LINE") {
		b.prefix(c, "deserializer", Missing, "etl reads lines of the files; for more than that keep a spooldir agent with an avro sink that points to etl")
	}
	b.rest(c, ofSpooldir)
}

// foreign is a component of a type that etl does not know.
func (b *builder) foreign(c *Component) {
	key, text := c.Key(b.Agent, "*"), without(c)
	what := strings.TrimSuffix(c.Kind, "s")
	switch {
	case c.Type == "":
		text = "a " + what + " without a type: Flume does not start it"
	case text == "":
		text = "etl does not know a " + what + " of type " + c.Type
		if what == "source" {
			text += "; keep it in an agent with an avro sink that points to etl"
		}
	}
	if len(c.Properties) == 0 {
		b.say(Missing, key, text)
		return
	}
	b.all(c, Missing, text)
}

// interceptors looks for ids, by which events are told from those sent again.
func (b *builder) interceptors(c *Component) {
	for name := range strings.FieldsSeq(c.Get("interceptors")) {
		p := "interceptors." + name + "."
		t := c.Get(p + "type")
		if strings.HasSuffix(t, "UUIDInterceptor$Builder") {
			b.ids(c, p)
		} else if b.Replaced {
			b.prefix(c, p, Missing, b.interceptor(t))
		}
	}
	if b.Replaced && c.Get("interceptors") != "" {
		b.say(NotNeeded, c.Key(b.Agent, "interceptors"), "a list; each of it is told of by itself")
	}
}

// ids is a UUIDInterceptor, whose header names an event.
func (b *builder) ids(c *Component, p string) {
	key, header := c.Key(b.Agent, p+"type"), c.Get(p+"headerName")
	if header == "" {
		header = "id"
	} else {
		b.use(c.Key(b.Agent, p+"headerName"), "--dedup-header")
	}
	b.option(key, "--dedup-header", header)
	if b.Replaced {
		b.prefix(c, p, NotNeeded, "etl gives events no ids; the header's name is what it needs")
		b.look("%s: etl gives events no ids; put this interceptor into the agents that send, where an event that is sent again keeps its id", key)
	}
}

// prefix says one thing of the properties that begin so and of which nothing was said yet.
func (b *builder) prefix(c *Component, prefix string, fate Fate, text string) {
	said := false
	for _, p := range c.Properties {
		if !strings.HasPrefix(p.Name, prefix) || b.done[p.Key] {
			continue
		}
		b.done[p.Key] = true
		if !said {
			b.say(fate, c.Key(b.Agent, prefix+"*"), text)
			said = true
		}
	}
}

func (b *builder) interceptor(t string) string {
	switch t {
	case "":
		return "an interceptor without a type: Flume does not start it"
	case "timestamp":
		return "the query's _event_time is the header timestamp, and Kafka's time where there is none; put timestamp into the agents that send if that is too late"
	case "host", "static", "regex_extractor", "search_replace", "remove_header":
		return "etl changes no event; put " + t + " into the agents that send, or have the query take it out of the line"
	case "regex_filter":
		return "filter in the query's WHERE, or put regex_filter into the agents that send"
	}
	return "etl runs no interceptor of yours; put " + t + " into the agents that send, or say it in the query"
}

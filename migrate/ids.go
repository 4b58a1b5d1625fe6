package migrate

import (
	"cmp"
	"slices"
	"strings"
)

// keyHeader is the header whose value Flume's Kafka sink and channel take as the record's key.
const keyHeader = "key"

// interceptors tells of the interceptors of a source whose place etl takes, and looks among them for one that gives IDs.
func (b *builder) interceptors(c *Component) {
	if c.Get("interceptors") == "" {
		return
	}
	for name := range strings.FieldsSeq(c.Get("interceptors")) {
		p := "interceptors." + name + "."
		t := c.Get(p + "type")
		if !givesIDs(t) {
			b.prefix(c, p, Missing, interceptor(t))
			continue
		}
		b.ids(c, p)
		b.prefix(c, p, NotNeeded, "etl gives events no ids; the header's name is what it needs")
		b.look("%s: etl gives events no ids; put this interceptor into the agents that send, where an event that is sent again keeps its id", c.Key(b.Agent, p+"type"))
	}
	b.say(NotNeeded, c.Key(b.Agent, "interceptors"), "a list; each of it has a line of its own")
}

// keptIDs gives the commands that a source's events come to the header of their IDs.
func (b *builder) keptIDs(c *Component, reached []reach) {
	header := idHeader(c)
	if header == "" {
		return
	}
	var with []reach
	for _, r := range reached {
		switch {
		case r.withoutHeaders():
			b.look("%s: etl finds no IDs in raw records, which have no headers: set %s = true, --kafka-value flume and --dedup-header %s", b.names([]*Component{c}), r.from.Key(b.Agent, "parseAsFlumeEvent"), Quote(header))
		case !slices.ContainsFunc(with, func(was reach) bool { return was.u == r.u }):
			with = append(with, r)
		}
	}
	if len(with) == 0 {
		return
	}
	found := &unit{by: b, Command: Command{Of: []string{c.Kind + "." + c.Name}}}
	b.cur = found
	for name := range strings.FieldsSeq(c.Get("interceptors")) {
		if p := "interceptors." + name + "."; givesIDs(c.Get(p + "type")) {
			b.ids(c, p)
		}
	}
	for _, r := range with {
		of := r.u.Of
		r.u.merge(found)
		r.u.Of = of
		if r.u.own {
			b.idsInKafka(r.u, found.Get("--dedup-header"))
		}
	}
}

// idHeader is the header of the first interceptor of a source that gives IDs, or "".
func idHeader(c *Component) string {
	for name := range strings.FieldsSeq(c.Get("interceptors")) {
		if p := "interceptors." + name + "."; givesIDs(c.Get(p + "type")) {
			return cmp.Or(c.Get(p+"headerName"), "id")
		}
	}
	return ""
}

// idsInKafka tells what the records of a topic that an agent writes must have for IDs to be found.
func (b *builder) idsInKafka(u *unit, header string) {
	if u.Get("--kafka-value") == "raw" {
		b.look("--dedup-header finds nothing in raw records, which have no headers: have %s write Flume's event format, useFlumeEventFormat = true, and say --kafka-value flume", u.keyed)
	}
	if header == keyHeader {
		b.look("--dedup-header %s: %s takes the record's key from that header, so that the ID is the key, and duplicates of an event meet in one partition; records of one host or user are not kept in order then", header, u.keyed)
		return
	}
	b.look("--dedup-header: duplicates meet in one partition only where %s has the ID as the record's key: have an interceptor put it into the header key as well", u.keyed)
}

func givesIDs(t string) bool { return strings.HasSuffix(t, "UUIDInterceptor$Builder") }

// ids is a UUIDInterceptor, whose header names an event.
func (b *builder) ids(c *Component, p string) {
	name := cmp.Or(c.Get(p+"headerName"), "id")
	if c.Get(p+"headerName") != "" {
		b.use(c.Key(b.Agent, p+"headerName"), "--dedup-header")
	}
	key := c.Key(b.Agent, p+"type")
	if was := b.cur.Get("--dedup-header"); was != "" && was != name {
		b.say(Missing, key, "events have a second id in the header "+name+", and --dedup-header is "+was+" already")
		return
	}
	b.option(key, "--dedup-header", name)
	if v := c.Get(p + "preserveExisting"); v != "" && !isTrue(v) {
		b.look("%s: each agent on the way gives an event another id, so that duplicates are not found; leave it true", c.Key(b.Agent, p+"preserveExisting"))
	}
}

func interceptor(t string) string {
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

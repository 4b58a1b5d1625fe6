package migrate

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// unit is a command while it is made.
type unit struct {
	Command
	by     *builder // whose plan has it
	name   string   // what job and topic are called where the file has no better name
	own    bool     // it reads a topic by itself, and receives nothing
	stream string   // the topic that it reads or writes, with its brokers; "" is one of etl's own
	zk     string   // ZooKeeper's address, where the file knows no more of the brokers
	beside *unit    // the command whose topic it writes too, on one more port
	keyed  string   // the Kafka sink or channel that made the topic's keys
	asked  []string // texts for Look, of what is to be set
}

// planner has the commands of all agents of the file.
type planner struct {
	rules   []Rule
	units   []*unit
	listens map[string][]*unit // in an agent's place, by receiver:port
	sends   map[string]*unit   // beside agents that stay, by receiver:host:port
	reads   map[string]*unit   // by stream
	names   variables
}

func newPlanner(f *File) *planner {
	return &planner{
		rules: Rules(), listens: map[string][]*unit{}, sends: map[string]*unit{}, reads: map[string]*unit{},
		names: variablesOf(f),
	}
}

func (u *unit) listening() bool {
	return slices.ContainsFunc(u.Options, func(o Option) bool { return strings.HasSuffix(o.Name, "-listen") })
}

func (u *unit) receives() bool {
	return u.listening() || u.Has("--poll") || u.Has("--watch-dir")
}

func several(name string) bool { return name == "--poll" || name == "--watch-dir" }

// fits reports whether one process can do the work of both without an option of one holding for the other.
func (u *unit) fits(other *unit) bool {
	for _, o := range other.Options {
		if u.Has(o.Name) && u.Get(o.Name) != o.Value && !several(o.Name) && o.Name != "--dedup-header" && o.Name != "--poll-batch" {
			return false
		}
	}
	syslog := func(u *unit) bool { return u.Has("--syslog-tcp-listen") || u.Has("--syslog-udp-listen") }
	if syslog(u) && syslog(other) && u.Get("--syslog-keep-fields") != other.Get("--syslog-keep-fields") {
		return false
	}
	if u.overlap(other) {
		return false
	}
	return !u.listening() || !other.listening() || u.Get("--ip-filter") == other.Get("--ip-filter")
}

// merge takes over another's options. Where both have one, that of u stays; --poll-batch is the smaller.
func (u *unit) merge(other *unit) {
	u.Of = append(u.Of, other.Of...)
	u.takes(other)
	for _, o := range other.Options {
		switch i := slices.IndexFunc(u.Options, func(was Option) bool { return was.Name == o.Name }); {
		case i < 0, several(o.Name) && !slices.Contains(u.Options, o):
			u.Options = append(u.Options, o)
		case o.Name == "--poll-batch":
			was, err := strconv.Atoi(u.Options[i].Value)
			if n, err2 := strconv.Atoi(o.Value); err == nil && err2 == nil && n < was {
				u.Options[i].Value = o.Value
			}
		case o.Name == "--dedup-header" && o.Value != u.Options[i].Value:
			u.by.NoEquivalent = append(u.by.NoEquivalent, Finding{strings.Join(other.Of, ", "), fmt.Sprintf("its events have their id in the header %s, and --dedup-header is %s already: let all interceptors write one header", o.Value, u.Options[i].Value)})
		}
	}
}

// adopt takes over the Kafka that a flow's events go into.
func (u *unit) adopt(to *unit) {
	u.Options = append(slices.Clone(to.Options), u.Options...)
	u.Of = append(u.Of, to.Of...)
	u.stream, u.keyed = to.stream, to.keyed
	u.zk = to.zk
	u.takes(to)
}

// where names a command to the reader of an agent's plan.
func (u *unit) where(b *builder) string {
	text := strings.Join(u.Of, ", ")
	if u.by != b {
		text += " of agent " + u.by.Agent
	}
	return text
}

// add is an option with which nothing of the file has to do.
func (u *unit) add(name, value string) {
	u.Options = append(u.Options, Option{Name: name, Value: value})
}

// needs notes a variable that is to be set.
func (u *unit) needs(variable, what string) {
	if u.Ask == nil {
		u.Ask = map[string]string{}
	}
	u.Ask[variable] = what
}

// takes has u need what another command's options need.
func (u *unit) takes(other *unit) {
	for name, what := range other.Ask {
		u.needs(name, what)
	}
	u.asked = append(u.asked, other.asked...)
}

// ask gives an option a variable that is to be set. Two commands that may need different values have two names.
func (u *unit) ask(option, variable, what string) {
	u.needs(variable, what)
	value := "${" + variable + "}"
	for i, o := range u.Options {
		if o.Name == option {
			u.Options[i].Value = value
			return
		}
	}
	u.add(option, value)
}

var notOfNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// jobName makes a name of a job or a topic of any text.
func jobName(s string) string {
	s = strings.Trim(notOfNames.ReplaceAllString(s, "-"), "-.")
	if s == "" {
		return "etl"
	}
	return s[:min(len(s), 100)]
}

// defaultAdmin is the port of --admin-listen where it is not given.
const defaultAdmin = 9414

// finish gives each command its verb, and a job, a topic and a port of its own where there are several.
func (p *planner) finish() {
	p.units = slices.DeleteFunc(p.units, func(u *unit) bool {
		return !slices.ContainsFunc(u.Options, func(o Option) bool { return o.Name != "--dedup-header" })
	})
	loading := 0
	topics := map[string]bool{"logs": true}
	for _, u := range p.units {
		if u.beside == nil {
			loading++
		}
		topics[u.Get("--kafka-topic")] = true
	}
	jobs := map[string]bool{}
	taken := p.ports()
	admin := defaultAdmin
	for i, u := range p.units {
		if u.beside == nil && loading > 1 {
			p.separate(u, jobs, topics)
		}
		u.verb()
		u.sound()
		if i > 0 || taken[strconv.Itoa(defaultAdmin)] {
			for admin++; taken[strconv.Itoa(admin)]; admin++ {
			}
			if admin > 65535 {
				u.add("--admin-listen", "off")
			} else {
				u.add("--admin-listen", "127.0.0.1:"+strconv.Itoa(admin))
			}
		}
		slices.SortStableFunc(u.Options, func(x, y Option) int { return rank(x.Name) - rank(y.Name) })
		for _, text := range u.asked {
			u.by.look("%s", text)
		}
		u.by.Commands = append(u.by.Commands, u.Command)
	}
}

// ports are the TCP ports that commands listen on. Two commands whose addresses overlap cannot run on one host.
func (p *planner) ports() map[string]bool {
	type holder struct {
		socket
		by *unit
	}
	taken := map[string]bool{}
	held := map[string][]holder{} // by network and port
	for _, u := range p.units {
		for _, o := range u.Options {
			s, ok := socketOf(o)
			if !ok {
				continue
			}
			if s.network == "tcp" {
				taken[s.port] = true
			}
			key := s.network + " " + s.port
			i := slices.IndexFunc(held[key], func(was holder) bool { return was.by != u && was.overlaps(s) })
			if i >= 0 {
				u.by.look("%s: port %s is that of the command for %s too: run the two on two hosts, or give one of them another port, which its senders must know", strings.Join(u.Of, ", "), s.port, held[key][i].by.where(u.by))
				continue
			}
			held[key] = append(held[key], holder{s, u})
		}
	}
	return taken
}

// socket is an address that a receiver listens on.
type socket struct {
	network string // tcp or udp
	host    string // "" is all addresses of the machine
	port    string
}

// socketOf is the address of a -listen option, and false for any other option and for off. Two spellings of one address
// become the same.
func socketOf(o Option) (socket, bool) {
	if !strings.HasSuffix(o.Name, "-listen") {
		return socket{}, false
	}
	host, port, err := net.SplitHostPort(env.ReplaceAllString(o.Value, "$${$1}"))
	if err != nil || port == "" {
		return socket{}, false
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		port = strconv.FormatUint(n, 10)
	}
	s := socket{network: "tcp", host: strings.ToLower(host), port: port}
	if strings.Contains(o.Name, "udp") {
		s.network = "udp"
	}
	if s.host == "localhost" {
		s.host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(s.host); err == nil {
		s.host = ip.Unmap().String()
		if ip.IsUnspecified() {
			s.host = ""
		}
	}
	return s, true
}

// overlaps reports whether one host cannot listen on both. Two names are two addresses: what else they mean DNS would
// have to say.
func (s socket) overlaps(other socket) bool {
	return s.network == other.network && s.port == other.port && (s.host == other.host || s.host == "" || other.host == "")
}

// overlap reports whether two commands have receivers of two kinds whose addresses overlap, so that no process has both.
func (u *unit) overlap(other *unit) bool {
	for _, o := range u.Options {
		s, ok := socketOf(o)
		if ok && slices.ContainsFunc(other.Options, func(p Option) bool {
			t, ok := socketOf(p)
			return ok && p.Name != o.Name && s.overlaps(t)
		}) {
			return true
		}
	}
	return false
}

// separate gives a command a job of its own, and a topic where the file names none.
func (p *planner) separate(u *unit, jobs, topics map[string]bool) {
	topic := u.Get("--kafka-topic")
	base := jobName(u.name)
	if topic != "" && !strings.Contains(topic, "${") {
		base = jobName(topic)
	}
	job := base
	taken := func(job string) bool { return jobs[job] || topic == "" && topics[job] }
	if taken(job) {
		job = jobName(u.by.Agent) + "-" + base
	}
	for n := 2; taken(job); n++ {
		job = fmt.Sprintf("%s-%s-%d", jobName(u.by.Agent), base, n)
	}
	jobs[job] = true
	u.add("--job", job)
	if topic == "" {
		topics[job] = true
		u.add("--kafka-topic", job)
	}
	if i := slices.IndexFunc(u.Options, func(o Option) bool { return o.Name == "--watch-state" }); i >= 0 {
		u.Options[i].Value += "-" + job
	}
}

// verb chooses the command, and turns off what it would do without being told.
func (u *unit) verb() {
	switch {
	case u.beside != nil:
		u.Verb = "ingest"
		u.like(u.beside)
		if i := slices.IndexFunc(u.Options, func(o Option) bool { return o.Name == "--watch-state" }); i >= 0 {
			u.Options[i].Value += "-" + jobName(u.name)
		}
	case u.receives():
		u.Verb = "run"
		u.keys()
	default:
		u.Verb = "load"
	}
	if u.receives() && !u.Has("--avro-listen") {
		u.add("--avro-listen", "off")
	}
	if u.Has("--kafka-brokers") {
		return
	}
	name := u.by.planner.names.name("KAFKA_BROKERS", u.zk)
	if u.zk == "" {
		u.ask("--kafka-brokers", name, "HOST:PORT of Kafka's brokers")
		u.asked = append(u.asked, name+": the file names no brokers for what etl receives; set it to those of the Kafka that etl is to use, HOST:PORT,HOST:PORT")
		return
	}
	u.ask("--kafka-brokers", name, "HOST:PORT of Kafka's brokers")
	u.asked = append(u.asked, fmt.Sprintf("%s: %s names ZooKeeper alone, %s, and etl asks brokers; set it to those of that Kafka, HOST:PORT,HOST:PORT; zookeeper-shell.sh %s get /brokers/ids/ID shows one's", name, strings.Join(u.Of, ", "), u.zk, Quote(u.zk)))
}

// like has a command that only receives write as the one does that loads.
func (u *unit) like(to *unit) {
	if mine, want := u.Get("--dedup-header"), to.Get("--dedup-header"); mine != want && mine != "" {
		u.Options = slices.DeleteFunc(u.Options, func(o Option) bool { return o.Name == "--dedup-header" })
		u.by.look("%s: its events have their id in the header %s, and the command for %s, which reads the topic, has --dedup-header %s: let all interceptors write one header", strings.Join(u.Of, ", "), mine, to.where(u.by), Quote(want))
	}
	for _, o := range to.Options {
		if (strings.HasPrefix(o.Name, "--kafka-") || o.Name == "--dedup-header") && !u.Has(o.Name) {
			u.Options = append(u.Options, o)
			for name, what := range to.Ask {
				if strings.Contains(o.Value, "${"+name+"}") {
					u.needs(name, what)
				}
			}
		}
	}
}

// keys has a command that writes in the place of Flume's Kafka sink or channel take the same keys.
func (u *unit) keys() {
	if u.keyed == "" {
		return
	}
	switch u.Get("--dedup-header") {
	case "":
		u.add("--kafka-key", keyHeader)
		u.by.look("--kafka-key key: %s takes the record's key from the header key", u.keyed)
	case keyHeader:
		u.by.look("--dedup-header key: the ID is the record's key, as %s has it: duplicates of an event meet in one partition, and events of one host or user are spread over all", u.keyed)
	default:
		u.by.look("%s took the record's key from the header key; with --dedup-header it is the ID, so that duplicates meet", u.keyed)
	}
}

// portOf is the port of an address, or "".
func portOf(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return port
}

// rank puts the job first, then Kafka's options, then what is received, then the rest.
func rank(name string) int {
	switch {
	case name == "--job":
		return 0
	case name == "--kafka-brokers":
		return 1
	case name == "--kafka-topic":
		return 2
	case name == "--kafka-value":
		return 3
	case strings.HasPrefix(name, "--kafka-"):
		return 4
	case name == "--avro-listen":
		return 5
	case name == "--admin-listen":
		return 9
	case strings.HasSuffix(name, "-listen"), several(name):
		return 6
	case name == "--poll-batch":
		return 7
	}
	return 8
}

package expr

import (
	"strings"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
)

// RecordColumn compiles a column of the record, which every format has; ok is false if there is no such column. json
// means that any name can be a field of the format. Then the case of the name matters, because _Topic is a field.
func RecordColumn(name string, json bool) (x Compiled, ok bool) {
	x.Kind = value.KindInt
	if !json {
		name = strings.ToLower(name)
	}
	switch name {
	case "_topic":
		x.Kind, x.MaxChars = value.KindText, maxTopic
		x.Eval = func(r *fold.Env) value.Value {
			from := len(r.Text)
			r.Text = append(r.Text, r.Partition.Topic...)
			return value.Text(r.Text[from:len(r.Text):len(r.Text)])
		}
	case "_partition":
		x.Eval = func(r *fold.Env) value.Value { return value.Int(int64(r.Partition.ID)) }
	case "_offset":
		x.Eval = func(r *fold.Env) value.Value { return value.Int(r.Record.Offset) }
	case "_index":
		x.Eval = func(r *fold.Env) value.Value { return value.Int(r.Index) }
	case "_timestamp":
		x.Kind, x.Scale = value.KindTime, 3
		x.RarelyNull = true
		x.Eval = kafkaTime
	case "_event_time":
		x.Kind, x.Scale = value.KindTime, 3
		x.RarelyNull = true
		x.Eval = eventTime
	case "_key":
		x.Kind, x.Nullable = value.KindText, true
		x.Eval = func(r *fold.Env) value.Value { return value.Value{Bytes: r.Record.Key, Set: r.Record.Key != nil} }
	case "_body":
		x.Kind = value.KindText
		x.Eval = func(r *fold.Env) value.Value { return value.Text(r.Body) }
	default:
		return x, false
	}
	return x, true
}

// kafkaTime returns the record's timestamp in Kafka; NULL if the record has none, which Kafka represents as -1.
func kafkaTime(r *fold.Env) value.Value {
	ms := r.Record.Timestamp
	if ms == -1 {
		return value.Null
	}
	if ms < value.MinTime/1000 || ms > value.MaxTime/1000 {
		return r.Fail("the record's timestamp in Kafka is not a time in milliseconds since 1970 between the years 1000 and 9999: its producer may write microseconds or nanoseconds")
	}
	return value.Time(ms * 1000)
}

// eventTime returns the time of the header timestamp, in milliseconds since 1970, which Flume's interceptors write;
// else of the header timeStamp, which Log4j 2's Flume appender writes; else the record's timestamp in Kafka.
func eventTime(r *fold.Env) value.Value {
	v := r.Header("timestamp")
	if !v.Set {
		v = r.Header("timeStamp")
	}
	if !v.Set {
		return kafkaTime(r)
	}
	ms, ok := value.ParseDigits(v.Bytes)
	if !ok || ms < value.MinTime/1000 || ms > value.MaxTime/1000 {
		return r.Fail("header timestamp: expected milliseconds since 1970, got %s", value.Quote(v.Bytes))
	}
	return value.Time(ms * 1000)
}

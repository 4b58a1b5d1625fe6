package funcs

import (
	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

var headers = []expr.Function{{
	Name: "header", Params: []expr.Param{expr.Text.Param("'name'").Const()}, Result: expr.Text, Compile: header,
	Example: "'host'", Doc: "a header of the event, NULL if it has none",
}}

func header(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	name := string(args[0].Eval(nil).Bytes)
	x.Nullable, x.Constant = true, false
	x.Eval = func(r *fold.Env) value.Value { return r.Header(name) }
	return x
}

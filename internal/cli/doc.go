// Package cli reads options and environment, and runs the commands of etl: one file to a command, the options that
// several share in options_*.go. What a command does lives in the package that it is about.
//
// The rules of options, the same for every command:
//
//   - An option is a flag, --kafka-brokers, and a variable, ETL_KAFKA_BROKERS. A variable is not read where the flag is
//     given. One that is empty is not set; white space around a value does not count. What Kubernetes says of a service,
//     ETL_MYSQL_PORT=tcp://10.0.0.1:3306, is no option.
//   - Addresses are judged before anything is opened.
//   - An unknown flag or ETL_ variable is an error that names the nearest one that exists.
//   - A value that does not fit is an error that names the option, the value and the bound.
//   - Two spellings of one thing at the same level, say --mysql-dsn and --mysql-host, are an error. Flags put aside
//     what variables say in another spelling.
//   - Nothing is started after an error.
package cli

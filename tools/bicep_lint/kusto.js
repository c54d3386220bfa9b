// Reads [{"name", "query"}] and prints [{"name", "problems": [text]}], as the Kusto language
// service sees the queries. The columns are those of classic Application Insights tables
// (Microsoft Learn: Application Insights telemetry data model).
'use strict';
const fs = require('fs');
const path = require('path');
const vm = require('vm');

const folder = process.argv[2];
for (const name of ['bridge.min.js', 'Kusto.Language.Bridge.min.js']) {
  const file = path.join(folder, name);
  vm.runInThisContext(fs.readFileSync(file, 'utf8'), { filename: file });
}
const { KustoCode, GlobalState, Symbols } = globalThis.Kusto.Language;

const COMMON =
  'timestamp:datetime,itemType:string,customDimensions:dynamic,customMeasurements:dynamic,' +
  'operation_Name:string,operation_Id:string,operation_ParentId:string,session_Id:string,' +
  'user_Id:string,application_Version:string,client_Type:string,cloud_RoleName:string,' +
  'cloud_RoleInstance:string,appId:string,appName:string,iKey:string,sdkVersion:string,' +
  'itemId:string,itemCount:int,_ResourceId:string';
const TABLES = {
  traces: 'message:string,severityLevel:int',
  requests:
    'id:string,source:string,name:string,url:string,success:bool,resultCode:string,duration:real,' +
    'performanceBucket:string',
  exceptions:
    'problemId:string,handledAt:string,type:string,message:string,assembly:string,method:string,' +
    'outerType:string,outerMessage:string,outerAssembly:string,outerMethod:string,' +
    'innermostType:string,innermostMessage:string,severityLevel:int,details:dynamic',
};
const tables = Object.entries(TABLES).map(([name, columns]) =>
  Symbols.TableSymbol.From(`(${COMMON},${columns})`).WithName(name));
const state = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor('app', tables));

function problems(query) {
  const found = [];
  const each = Bridge.getEnumerator(KustoCode.ParseAndAnalyze(query, state).GetDiagnostics());
  while (each.moveNext()) {
    const line = query.slice(0, each.Current.Start).split('\n').length;
    found.push(`line ${line}: ${each.Current.Message}`);
  }
  return found;
}

const asked = JSON.parse(fs.readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify(
  asked.map(({ name, query }) => ({ name, problems: problems(query) }))));

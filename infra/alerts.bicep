// Watched from outside: Azure Monitor tells people by e-mail when the app does not do its work. It
// does not pass through the app or its Teams flow, so it speaks when these are dead.
param insightsName string
param location string
param tags object

@description('Guards by name: mode and maxAgeMinutes.')
param guards object

@description('Addresses, comma separated.')
param alertEmails string

@description('A webhook that is told as well; empty: none.')
@secure()
param alertWebhookUrl string

@description('A guard that never ran counts as last seen at this time.')
param deployedAt string

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

var guardsOn = filter(items(guards), guard => guard.value.mode != 'off')
var expected = join(map(guardsOn, guard => '"${guard.key}", ${guard.value.maxAgeMinutes}m'), ', ')
// The queries hold sample values where these go, so that they can be checked and tried as they are.
var lateQuery = replace(loadTextContent('queries/guard-late.kql'), '"sample", 45m', expected)

// `range` is how far back a query may see, and at most two days (Microsoft Learn: log alert rules).
var rules = [
  {
    name: 'guard-late'
    title: 'Exoguard: a guard has not completed in time'
    description: 'A guard has completed no run for three times its interval, or never since it was deployed. Look at its traces; run it by hand. Timers that stopped after a deployment: deploy again, then a new app.'
    severity: 1
    query: replace(lateQuery, 'datetime(2000-01-01)', 'datetime(${deployedAt})')
    every: 'PT15M'
    range: 'P2D'
  }
  {
    name: 'coverage-low'
    title: 'Exoguard: a guard does not see everything'
    description: 'The last completed run of a guard read less than 99 % of what there is, or was blind to something. Look for missing permissions.'
    severity: 2
    query: loadTextContent('queries/coverage-low.kql')
    every: 'PT15M'
    range: 'P2D'
  }
  {
    name: 'alerts-waiting'
    title: 'Exoguard: alerts do not reach Teams'
    description: 'Cases wait for more than 30 minutes to be told, or the webhook refused two cards in a row. Look at the Workflows flow and its owner.'
    severity: 1
    query: loadTextContent('queries/alerts-waiting.kql')
    every: 'PT15M'
    range: 'P2D'
  }
  {
    name: 'app-silent'
    title: 'Exoguard: the app is dead'
    description: 'The app has written nothing for an hour. Look at the function app: does it start, can it reach its storage?'
    severity: 0
    query: loadTextContent('queries/app-silent.kql')
    every: 'PT15M'
    range: 'PT1H'
  }
  {
    name: 'functions-failing'
    title: 'Exoguard: a function fails again and again'
    description: 'A function of the app failed three times within an hour, or a guard failed in both of its last runs.'
    severity: 2
    query: loadTextContent('queries/functions-failing.kql')
    every: 'PT15M'
    range: 'P2D'
  }
  {
    name: 'settings-changed'
    title: 'Exoguard: its settings were changed'
    description: 'Somebody changed settings of the app. The log says which; was it expected, above all where cards go to?'
    severity: 2
    query: loadTextContent('queries/settings-changed.kql')
    every: 'PT15M'
    range: 'PT1H'
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-exoguard'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'exoguard'
    emailReceivers: [for (address, index) in split(alertEmails, ','): {
      name: 'email-${index}'
      emailAddress: trim(address)
      useCommonAlertSchema: true
    }]
    webhookReceivers: empty(alertWebhookUrl) ? [] : [
      {
        name: 'webhook'
        serviceUri: alertWebhookUrl
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: 'exoguard-${rule.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: rule.title
    description: rule.description
    severity: rule.severity
    enabled: true
    scopes: [insights.id]
    evaluationFrequency: rule.every
    windowSize: 'PT1H'
    overrideQueryTimeRange: rule.range
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          // One alert a subject: a second guard that fails is told although the first still does.
          dimensions: [
            {
              name: 'subject'
              operator: 'Include'
              values: ['*']
            }
          ]
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: { actionGroups: [people.id] }
  }
}]

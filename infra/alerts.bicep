// Watched from outside: Azure Monitor tells people by e-mail when the app does not do its work. It
// does not pass through the app or its Teams flow, so it speaks when these are dead.
import { guardsType, tagsType } from 'types.bicep'

param insightsName string
param location string
param tags tagsType

@description('Guards by name: mode and maxAgeMinutes.')
param guards guardsType

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

var webhooks = [
  {
    name: 'webhook'
    serviceUri: alertWebhookUrl
    useCommonAlertSchema: true
  }
]

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
    description: 'Cases wait for more than 30 minutes to be told. Look at the Workflows flow and its owner.'
    severity: 1
    query: loadTextContent('queries/alerts-waiting.kql')
    every: 'PT15M'
    range: 'P2D'
  }
  {
    name: 'cards-refused'
    title: 'Exoguard: the webhook refuses cards'
    description: 'The webhook refused the last two cards of a guard. Look at the Workflows flow, its owner and its address.'
    severity: 1
    query: loadTextContent('queries/cards-refused.kql')
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
    description: 'A function of the app failed three times within an hour. Look at its exceptions.'
    severity: 2
    query: loadTextContent('queries/functions-failing.kql')
    every: 'PT15M'
    range: 'PT1H'
  }
  {
    name: 'functions-throwing'
    title: 'Exoguard: a function leaves exceptions'
    description: 'A function of the app left three exceptions within an hour, perhaps before it began. Look at them.'
    severity: 2
    query: loadTextContent('queries/functions-throwing.kql')
    every: 'PT15M'
    range: 'PT1H'
  }
  {
    name: 'runs-failing'
    title: 'Exoguard: a guard fails again and again'
    description: 'A guard failed in both of its last runs. Its report says why.'
    severity: 2
    query: loadTextContent('queries/runs-failing.kql')
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
    emailReceivers: [
      for (address, index) in split(alertEmails, ','): {
        name: 'email-${index}'
        emailAddress: trim(address)
        useCommonAlertSchema: true
      }
    ]
    webhookReceivers: empty(alertWebhookUrl) ? [] : webhooks
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for rule in rules: {
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
  }
]

// The app compares its settings when it runs: what is changed and put back in between, only the
// activity log of the subscription knows. They are written with the site as a whole, too, or come
// with another slot; and an app that is stopped compares nothing. A deployment writes settings as
// well, and is told.
resource settingsWritten 'Microsoft.Insights/activityLogAlerts@2020-10-01' = {
  name: 'exoguard-settings-written'
  location: 'global'
  tags: tags
  properties: {
    description: 'Somebody wrote the settings of an app in the group of Exoguard, swapped or stopped it. If nobody deployed, find out who did it: the activity log names the caller.'
    enabled: true
    scopes: [resourceGroup().id]
    condition: {
      allOf: [
        {
          field: 'category'
          equals: 'Administrative'
        }
        {
          anyOf: [
            {
              field: 'operationName'
              equals: 'Microsoft.Web/sites/config/write'
            }
            {
              field: 'operationName'
              equals: 'Microsoft.Web/sites/write'
            }
            {
              field: 'operationName'
              equals: 'Microsoft.Web/sites/slots/config/write'
            }
            {
              field: 'operationName'
              equals: 'Microsoft.Web/sites/slotsswap/action'
            }
            {
              field: 'operationName'
              equals: 'Microsoft.Web/sites/stop/action'
            }
          ]
        }
        {
          field: 'status'
          equals: 'Succeeded'
        }
      ]
    }
    actions: {
      actionGroups: [
        {
          actionGroupId: people.id
        }
      ]
    }
  }
}

// Who means to change settings unseen begins with what would tell of it.
resource alertsWritten 'Microsoft.Insights/activityLogAlerts@2020-10-01' = {
  name: 'exoguard-alerts-written'
  location: 'global'
  tags: tags
  properties: {
    description: 'Somebody changed or deleted what alerts about Exoguard, or who is alerted. If nobody deployed, find out who did it: the activity log names the caller.'
    enabled: true
    scopes: [resourceGroup().id]
    condition: {
      allOf: [
        {
          field: 'category'
          equals: 'Administrative'
        }
        {
          anyOf: [
            {
              field: 'operationName'
              equals: 'Microsoft.Insights/activityLogAlerts/write'
            }
            {
              field: 'operationName'
              equals: 'Microsoft.Insights/activityLogAlerts/delete'
            }
            {
              field: 'operationName'
              equals: 'Microsoft.Insights/scheduledQueryRules/write'
            }
            {
              field: 'operationName'
              equals: 'Microsoft.Insights/scheduledQueryRules/delete'
            }
            {
              field: 'operationName'
              equals: 'Microsoft.Insights/actionGroups/write'
            }
            {
              field: 'operationName'
              equals: 'Microsoft.Insights/actionGroups/delete'
            }
          ]
        }
        {
          field: 'status'
          equals: 'Succeeded'
        }
      ]
    }
    actions: {
      actionGroups: [
        {
          actionGroupId: people.id
        }
      ]
    }
  }
}

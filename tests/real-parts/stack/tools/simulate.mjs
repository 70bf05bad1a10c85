// Decides requests as IAM does: a JSON list on stdin, the decisions in the same order on stdout.
//
//     NODE_MODULES_PARENT=folder node simulate.mjs < requests.json
//
// A request or policy that AWS does not know is an error: a typo must not look like a denial.

import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { json } from 'node:stream/consumers'

const parent = process.env.NODE_MODULES_PARENT
if (!parent) throw new Error('NODE_MODULES_PARENT must name the folder that holds node_modules')
const installed = createRequire(resolve(parent, 'package.json'))
const simulator = installed('@cloud-copilot/iam-simulate')
const { createValidatedPolicy, lintResourcePolicy } = createRequire(
  installed.resolve('@cloud-copilot/iam-simulate'),
)('@cloud-copilot/iam-policy')

const accountOf = (arn) => arn.split(':')[4]
const askedFor = (policy) =>
  [policy.Statement].flat().flatMap(({ Condition = {} }) => Object.values(Condition).flatMap(Object.keys))

async function wrongKeys({ action, resource, context, policies }) {
  const wrong = []
  const known = await simulator.allowedContextKeysForRequest(...action.split(':'), resource, false)
  // AWS writes a key's variable part as ${Name} for a service's keys and as tag-key for the global ones.
  const families = known.filter((key) => /\$\{|\/tag-key$/.test(key)).map((key) => key.replace(/\$\{.*|tag-key$/, ''))
  for (const [key, value] of Object.entries(context)) {
    const name = key.toLowerCase()
    const type = await simulator.typeForContextKey(name)
    if (!known.includes(name) && !families.some((family) => name.startsWith(family))) wrong.push(`context.key: ${key}`)
    // If a key with one value has several, the library takes the first.
    if (simulator.isConditionKeyArray(type) !== Array.isArray(value)) wrong.push(`context.shape: ${key}`)
  }
  // The library does not check a policy's keys: a misspelt key is in no request.
  for (const key of policies.flatMap(askedFor)) {
    await simulator.typeForContextKey(key.toLowerCase()).catch(() => wrong.push(`policy.key: ${key}`))
  }
  return wrong
}

async function decide({ principal, action, resource, context = {}, policies, resource_policy: resourcePolicy }) {
  // No key is without a policy, and without it even an administrator is denied.
  if (/:kms:.*:key\//.test(resource) && !resourcePolicy) return { errors: ['key.policy.missing'] }

  const simulation = {
    request: {
      principal,
      action,
      // Some ARNs name no account: then it is the caller's.
      resource: { resource, accountId: accountOf(resource) || accountOf(principal) },
      contextVariables: context,
    },
    identityPolicies: policies.map((policy, index) => ({ name: `policies[${index}]`, policy })),
    // It is linted, because a statement without a Principal is valid but grants nothing. It has a name, because
    // runUnsafeSimulation fails on a resource policy without one.
    resourcePolicy:
      resourcePolicy && createValidatedPolicy(resourcePolicy, lintResourcePolicy, { name: 'resource_policy' }),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
  }
  const outcome = await simulator.runSimulation(simulation, {})
  if (outcome.resultType === 'error') {
    const { message, ...details } = outcome.errors
    return { errors: [message, ...Object.entries(details).map(([where, what]) => `${where}: ${JSON.stringify(what)}`)] }
  }
  const results = outcome.results ?? [outcome.result]
  // The library allows a pattern if it allows any part of it. AWS decides for one resource, or for `*`.
  if (outcome.results && results.concat({ resourcePattern: resource }).some((one) => one.resourcePattern !== '*')) {
    return { errors: ['resource.wildcard'] }
  }
  const all = [...policies, ...(resourcePolicy ? [resourcePolicy] : [])]
  const errors = await wrongKeys({ action, resource, context, policies: all })
  if (errors.length) return { errors }

  // Validation drops keys with a variable part, like the pairs of the encryption context. Without validation they count.
  const dropped = results.some((one) => one.ignoredContextKeys.length)
  const result = dropped ? simulator.runUnsafeSimulation(simulation, {}) : outcome.overallResult
  return { decision: result === 'Allowed' ? 'allowed' : 'denied', errors }
}

const decisions = []
for (const request of await json(process.stdin)) {
  decisions.push(await decide(request).catch((error) => ({ errors: [error.message] })))
}
console.log(JSON.stringify(decisions, null, 2))

# What PSScriptAnalyzer is not asked about infra/*.ps1, and why.
@{
    ExcludeRules = @(
        # The scripts talk to the person who runs them; nothing reads their output.
        'PSAvoidUsingWriteHost'
        # Parameters of the script are used in its functions, where the rule does not look for them.
        'PSReviewUnusedParameter'
    )
}

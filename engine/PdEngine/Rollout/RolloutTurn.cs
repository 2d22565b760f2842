namespace PdEngine;

/// <summary>
/// Answers a model's turn: ends the sample, with its reward if that is known already, or goes on with tokens
/// of the environment. Called when a turn has ended of itself; never for one that was aborted or failed.
/// </summary>
/// <param name="sample">
/// All that was made so far; <see cref="RolloutSample.TurnTokens"/> is the turn to be answered.
/// </param>
/// <param name="cancellationToken">The rollout is being aborted.</param>
public delegate ValueTask<RolloutTurn> RolloutEnvironment(
    RolloutSample sample, CancellationToken cancellationToken);

/// <summary>What an environment answers to a turn.</summary>
/// <param name="Observation">
/// Tokens that the model goes on after, as they are: nothing is tokenised anew; null ends the sample.
/// </param>
/// <param name="Reward">Of the whole sample, where it is known.</param>
public readonly record struct RolloutTurn(IReadOnlyList<int>? Observation, double? Reward)
{
    /// <summary>The sample has ended.</summary>
    public static RolloutTurn End(double? reward = null) => new(null, reward);

    /// <summary>The model has another turn after these tokens, at least one.</summary>
    public static RolloutTurn Continue(IReadOnlyList<int> observation) => new(observation, null);
}

using System.Globalization;

namespace PdEngine.Examples;

/// <summary>One task, from its prompt to its reward.</summary>
public interface IEpisode
{
    /// <summary>Tokens that the first response follows.</summary>
    IReadOnlyList<int> Prompt { get; }

    /// <summary>Responses so far.</summary>
    int Turns { get; }

    /// <summary>The task was done; known once the episode is.</summary>
    bool Succeeded { get; }

    /// <summary>Takes a response, its end token included where it has one.</summary>
    TurnOutcome Respond(ReadOnlySpan<int> response);
}

/// <summary>What a response led to.</summary>
/// <param name="Observation">Tokens that the next response follows; empty where it is done.</param>
/// <param name="IsDone">No further response is wanted.</param>
/// <param name="Reward">Of the whole episode, once it is done.</param>
public readonly record struct TurnOutcome(IReadOnlyList<int> Observation, bool IsDone, float Reward)
{
    /// <summary>The reward as it is written: 0.1, where a float made wider would be
    /// 0.10000000149.</summary>
    public double ExactReward => double.Parse(
        Reward.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    /// <summary>The episode's end.</summary>
    public static TurnOutcome Done(float reward) => new([], true, reward);
}

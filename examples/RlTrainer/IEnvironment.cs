namespace PdEngine.Examples;

/// <summary>A task whose answers a program can reward.</summary>
internal interface IEnvironment
{
    /// <summary>As the command line names it.</summary>
    string Name { get; }

    /// <summary>Starts an episode; the same seed is the same task.</summary>
    IEpisode Start(int seed);
}

/// <summary>One task, from its prompt to its reward.</summary>
internal interface IEpisode
{
    /// <summary>Tokens that the first response follows.</summary>
    IReadOnlyList<int> Prompt { get; }

    /// <summary>Responses so far.</summary>
    int Turns { get; }

    bool Succeeded { get; }

    /// <summary>Takes a response, its end token included where it has one.</summary>
    TurnOutcome Respond(ReadOnlySpan<int> response);
}

/// <summary>What a response led to.</summary>
/// <param name="Observation">Tokens that the next response follows; empty where it is done.</param>
/// <param name="IsDone">No further response is wanted.</param>
/// <param name="Reward">Of the whole episode, once it is done.</param>
internal readonly record struct TurnOutcome(IReadOnlyList<int> Observation, bool IsDone, float Reward)
{
    public static TurnOutcome Done(float reward) => new([], true, reward);
}

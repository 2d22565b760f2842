namespace PdEngine.Examples;

/// <summary>
/// A number from 0 to 31 is to be found in at most ten turns; each wrong guess is answered with higher or
/// lower. Binary search needs 4.22 turns on average and earns 0.678.
/// </summary>
public sealed class GuessingGame : IEnvironment
{
    /// <summary>Numbers from 0 that can be the target.</summary>
    public const int Numbers = 32;
    /// <summary>Guesses before the game is lost.</summary>
    public const int MaxTurns = 10;

    /// <inheritdoc/>
    public string Name => "guess";

    /// <inheritdoc/>
    public IEpisode Start(int seed) => new Episode((int)((uint)seed % Numbers));

    /// <summary>A game whose number is known.</summary>
    public static IEpisode StartAt(int target) => new Episode(target);

    private sealed class Episode(int target) : IEpisode
    {
        public IReadOnlyList<int> Prompt { get; } = Vocabulary.Ask("guess");

        public int Turns { get; private set; }

        public bool Succeeded { get; private set; }

        public TurnOutcome Respond(ReadOnlySpan<int> response)
        {
            Turns++;
            if (Vocabulary.Number(response) is not { } guess || guess >= Numbers)
                return TurnOutcome.Done(0);
            Succeeded = guess == target;
            if (Succeeded)
                return TurnOutcome.Done((MaxTurns - Turns + 1) / (float)MaxTurns);
            if (Turns == MaxTurns)
                return TurnOutcome.Done(0);
            return new(Vocabulary.Ask(guess < target ? "higher" : "lower"), false, 0);
        }
    }
}

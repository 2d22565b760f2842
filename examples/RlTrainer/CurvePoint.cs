using System.Text.Json;

namespace PdEngine.Examples;

/// <summary>A step's place on the curves.</summary>
/// <param name="Step">From 1.</param>
/// <param name="Played">Means over its episodes.</param>
internal readonly record struct CurvePoint(int Step, Skill Played)
{
    public static CurvePoint Of(GrpoProgress progress) => new(progress.Step, progress.Played.Skill);

    /// <summary>Reads back what <see cref="ProgressFiles.JsonLine"/> wrote.</summary>
    /// <param name="path">Of the file, for messages.</param>
    /// <param name="line">One line of it.</param>
    /// <exception cref="CheckpointException">It is another's.</exception>
    public static CurvePoint Parse(string path, string line)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(line);
            JsonElement step = json.RootElement;
            return new(
                step.GetProperty("step").GetInt32(),
                new(
                    step.GetProperty("reward").GetDouble(), step.GetProperty("success").GetDouble(),
                    step.GetProperty("turns").GetDouble()));
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or FormatException
            or InvalidOperationException)
        {
            throw new CheckpointException(path, "a line is no step of a run; remove the file to go on");
        }
    }
}

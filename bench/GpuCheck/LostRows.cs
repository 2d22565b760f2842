using System.Text.Json;

namespace PdEngine.Bench;

/// <summary>Tells from the report which row a process was amid that is gone.</summary>
internal sealed class LostRows
{
    private readonly string _path;
    private readonly HashSet<string> _seen;
    private readonly HashSet<string> _names = [];

    /// <param name="settings">Of the processes, none of which has begun.</param>
    public LostRows(CheckSettings settings)
    {
        _path = Path.Combine(settings.OutFolder, CheckJournal.FileName);
        _seen =
        [
            .. Begun(Path.Combine(settings.ResumeFolder ?? settings.OutFolder, CheckJournal.FileName))
                .Select(row => row.Text),
        ];
    }

    /// <summary>
    /// The row that the latest process was amid; null where it was amid none, or amid one that had ended a
    /// process before.
    /// </summary>
    public string? Next()
    {
        string? lost = null;
        foreach ((string name, string text) in Begun(_path))
        {
            // With its time of beginning the text is of one attempt.
            if (_seen.Add(text) && _names.Add(name))
                lost = name;
        }
        return lost;
    }

    /// <summary>None of a report that cannot be read: whoever goes on from it says why.</summary>
    private static List<(string Name, string Text)> Begun(string path)
    {
        if (!File.Exists(path))
            return [];
        try
        {
            using JsonDocument report = JsonDocument.Parse(File.ReadAllBytes(path));
            return
            [
                .. report.RootElement.GetProperty("rows").EnumerateArray()
                    .Where(row => CheckJournal.TextOf(row, "status") == "begun")
                    .Select(row => (CheckJournal.TextOf(row, "row") ?? "", row.GetRawText())),
            ];
        }
        catch (Exception damaged) when (damaged is JsonException or InvalidOperationException
            or KeyNotFoundException or IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}

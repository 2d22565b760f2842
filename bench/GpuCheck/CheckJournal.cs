using System.Text;
using System.Text.Json;

namespace PdEngine.Bench;

/// <summary>
/// The report: a JSON file that is written anew after every row, and that a later run goes on from. One of
/// another GPU, driver or image of the kernels is put aside, under a name that no other has.
/// </summary>
internal sealed class CheckJournal
{
    public const string FileName = "gpu-check.json";

    private readonly string _folder;
    private readonly string _path;
    private readonly IReadOnlyList<(string Name, string Value)> _header;
    private (string Kind, string Why)? _aside;
    private bool _isBegun;
    private readonly List<JsonElement> _rows = [];
    private readonly Dictionary<string, int> _places = [];

    /// <summary>Reads an earlier report; no file is changed before <see cref="Begin"/>.</summary>
    /// <param name="folder">Where it is written.</param>
    /// <param name="resumeFolder">Where an earlier one is that was asked for; null: the same folder.</param>
    /// <param name="header">What its rows are about.</param>
    /// <exception cref="OptionsException">What was asked for cannot be gone on from.</exception>
    public CheckJournal(
        string folder, string? resumeFolder, IReadOnlyList<(string Name, string Value)> header)
    {
        _folder = folder;
        _path = Path.Combine(folder, FileName);
        _header = header;
        string earlier = Path.Combine(resumeFolder ?? folder, FileName);
        if (Path.GetFullPath(earlier) != Path.GetFullPath(_path) && File.Exists(_path))
        {
            throw new OptionsException(
                "--resume", $"there is a report in --out already, {_path}: leave --resume out to go on from "
                + "that one, or name another --out");
        }
        if (!File.Exists(earlier))
            return;
        _aside = Read(earlier);
        if (_aside is { } aside && resumeFolder is not null)
            throw new OptionsException("--resume", $"{earlier} is {aside.Why}; it cannot be gone on from");
    }

    public string FilePath => _path;

    /// <summary>What became of an earlier report that was put aside; null where none was.</summary>
    public string? PutAside { get; private set; }

    /// <summary>Puts an earlier report aside that is not gone on from, and writes what was taken over.
    /// </summary>
    public void Begin()
    {
        if (_isBegun)
            return;
        _isBegun = true;
        Directory.CreateDirectory(_folder);
        if (_aside is { } aside)
        {
            string name = FreeName(aside.Kind);
            File.Move(_path, Path.Combine(_folder, name));
            PutAside = $"{_path} is {aside.Why}, and now {name}; this is a new report";
        }
        if (_rows.Count > 0)
            Save();
    }

    /// <summary>Most seconds that a row took whose name begins so; null where there is none.</summary>
    public double? MostSeconds(string prefix) => _rows
        .Where(row => row.GetProperty("row").GetString()!.StartsWith(prefix, StringComparison.Ordinal))
        .Select(row => NumberOf(row, "wall_seconds"))
        .Max();

    /// <summary>The rows that have failed, or that a run before this one did not survive.</summary>
    public IEnumerable<JsonElement> FailedRows => _rows.Where(
        row => StatusOf(row) is CheckStatus.Failed or CheckStatus.Begun);

    /// <summary>How the row ended; null where it is still to be computed.</summary>
    public CheckStatus? StatusOf(string name) => _places.TryGetValue(name, out int place)
        ? StatusOf(_rows[place])
        : null;

    /// <summary>A figure of a row; null where there is none.</summary>
    public double? Figure(string row, string figure) =>
        _places.TryGetValue(row, out int place) ? NumberOf(_rows[place], figure) : null;

    /// <summary>Takes a row in, in the place of an earlier one of its name, and writes the file.</summary>
    public void Add(CheckRow row)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
            Write(json, row);
        stream.Position = 0;
        using JsonDocument document = JsonDocument.Parse(stream);
        Keep(row.Name, document.RootElement.Clone());
        Save();
    }

    /// <summary>Forgets rows, which are then still to be computed.</summary>
    public void Drop(IEnumerable<string> names)
    {
        HashSet<string> dropped = [.. names];
        if (_rows.RemoveAll(row => dropped.Contains(row.GetProperty("row").GetString()!)) == 0)
            return;
        _places.Clear();
        for (int i = 0; i < _rows.Count; i++)
            _places.Add(_rows[i].GetProperty("row").GetString()!, i);
        Save();
    }

    /// <summary>Takes its rows over; where that cannot be: why not.</summary>
    private (string Kind, string Why)? Read(string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            JsonElement root = document.RootElement;
            foreach ((string name, string here) in _header)
            {
                string? there = root.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;
                if (there != here)
                    return ("old", $"of another {name} ('{there}', and here '{here}')");
            }
            foreach (JsonElement row in root.GetProperty("rows").EnumerateArray())
            {
                // A row that ended as none does is computed anew.
                if (StatusOf(row) is not null)
                    Keep(row.GetProperty("row").GetString()!, row.Clone());
            }
            return null;
        }
        catch (Exception damaged) when (damaged is JsonException or InvalidOperationException
            or KeyNotFoundException or ArgumentException or FormatException)
        {
            _rows.Clear();
            _places.Clear();
            return ("damaged", $"damaged ({damaged.Message})");
        }
    }

    private string FreeName(string kind)
    {
        for (int i = 1; ; i++)
        {
            string name = $"{Path.GetFileNameWithoutExtension(FileName)}.{kind}-{i}.json";
            if (!Path.Exists(Path.Combine(_folder, name)))
                return name;
        }
    }

    private void Keep(string name, JsonElement row)
    {
        if (_places.TryGetValue(name, out int place))
        {
            _rows[place] = row;
            return;
        }
        _places.Add(name, _rows.Count);
        _rows.Add(row);
    }

    /// <summary>Written aside and moved: what stops a run leaves a whole file. A line for each row.</summary>
    private void Save()
    {
        Begin();
        StringBuilder text = new("{");
        foreach ((string name, string value) in _header)
        {
            text.Append('"').Append(JsonEncodedText.Encode(name)).Append("\": \"")
                .Append(JsonEncodedText.Encode(value)).Append("\",\n");
        }
        text.Append("\"rows\": [\n");
        text.AppendJoin(",\n", _rows.Select(row => row.GetRawText()));
        string aside = $"{_path}.part";
        File.WriteAllText(aside, text.Append("\n]}\n").ToString());
        File.Move(aside, _path, overwrite: true);
    }

    private static void Write(Utf8JsonWriter json, CheckRow row)
    {
        json.WriteStartObject();
        json.WriteString("row", row.Name);
        json.WriteString("status", row.Status.ToString().ToLowerInvariant());
        json.WriteString("utc", $"{DateTimeOffset.UtcNow:yyyy-MM-dd'T'HH:mm:ss.fff'Z'}");
        foreach ((string name, double value) in row.Figures)
        {
            if (double.IsFinite(value))
                json.WriteNumber(name, double.Round(value, 12));
            else
                json.WriteNull(name);
        }
        if (row.Note.Length > 0)
            json.WriteString("note", row.Note);
        json.WriteEndObject();
    }

    /// <summary>Null where it is none that is written.</summary>
    private static CheckStatus? StatusOf(JsonElement row) => TextOf(row, "status") switch
    {
        "fine" => CheckStatus.Fine,
        "failed" => CheckStatus.Failed,
        "missing" => CheckStatus.Missing,
        "begun" => CheckStatus.Begun,
        _ => null,
    };

    /// <summary>What a row says under a name; null where it says nothing.</summary>
    internal static string? TextOf(JsonElement row, string name) =>
        row.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    private static double? NumberOf(JsonElement row, string name) =>
        row.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number
            ? value.GetDouble()
            : null;
}

namespace PdEngine;

/// <summary>A library that was looked for.</summary>
/// <param name="Name">As its maker calls it.</param>
/// <param name="File">What it was found as; null where it was not.</param>
internal sealed record SurveyedLibrary(string Name, string? File);

# Twelve presets in three time zones, for looking at reports that have many.

data "coder_workspace_preset" "goland_small" {
  name       = "goland-small"
  parameters = { ide = "goland", size = "small" }
  prebuilds {
    instances = 1
    expiration_policy {
      ttl = 86400
    }
    scheduling {
      timezone = "America/New_York"
      schedule {
        cron      = "* 8-17 * * 1-5"
        instances = 4
      }
    }
  }
}

data "coder_workspace_preset" "goland_large" {
  name       = "goland-large"
  parameters = { ide = "goland", size = "large" }
  prebuilds {
    instances = 1
    expiration_policy {
      ttl = 86400
    }
    scheduling {
      timezone = "America/New_York"
      schedule {
        cron      = "* 8-17 * * 1-5"
        instances = 3
      }
    }
  }
}

data "coder_workspace_preset" "goland_gpu" {
  name       = "goland-gpu"
  parameters = { ide = "goland", size = "gpu" }
  prebuilds {
    instances = 0
    expiration_policy {
      ttl = 86400
    }
    scheduling {
      timezone = "America/New_York"
      schedule {
        cron      = "* 8-17 * * 1-5"
        instances = 1
      }
    }
  }
}

data "coder_workspace_preset" "pycharm_small" {
  name       = "pycharm-small"
  parameters = { ide = "pycharm", size = "small" }
  prebuilds {
    instances = 1
    expiration_policy {
      ttl = 86400
    }
    scheduling {
      timezone = "Europe/Berlin"
      schedule {
        cron      = "* 8-17 * * 1-5"
        instances = 4
      }
    }
  }
}

data "coder_workspace_preset" "pycharm_large" {
  name       = "pycharm-large"
  parameters = { ide = "pycharm", size = "large" }
  prebuilds {
    instances = 1
    expiration_policy {
      ttl = 86400
    }
    scheduling {
      timezone = "Europe/Berlin"
      schedule {
        cron      = "* 8-17 * * 1-5"
        instances = 3
      }
    }
  }
}

data "coder_workspace_preset" "pycharm_gpu" {
  name       = "pycharm-gpu"
  parameters = { ide = "pycharm", size = "gpu" }
  prebuilds {
    instances = 0
    expiration_policy {
      ttl = 86400
    }
    scheduling {
      timezone = "Europe/Berlin"
      schedule {
        cron      = "* 8-17 * * 1-5"
        instances = 1
      }
    }
  }
}

data "coder_workspace_preset" "webstorm_small" {
  name       = "webstorm-small"
  parameters = { ide = "webstorm", size = "small" }
  prebuilds {
    instances = 1
    expiration_policy {
      ttl = 86400
    }
    scheduling {
      timezone = "Asia/Kolkata"
      schedule {
        cron      = "* 8-17 * * 1-5"
        instances = 4
      }
    }
  }
}

data "coder_workspace_preset" "webstorm_large" {
  name       = "webstorm-large"
  parameters = { ide = "webstorm", size = "large" }
  prebuilds {
    instances = 1
    expiration_policy {
      ttl = 86400
    }
    scheduling {
      timezone = "Asia/Kolkata"
      schedule {
        cron      = "* 8-17 * * 1-5"
        instances = 3
      }
    }
  }
}

data "coder_workspace_preset" "webstorm_gpu" {
  name       = "webstorm-gpu"
  parameters = { ide = "webstorm", size = "gpu" }
  prebuilds {
    instances = 0
    expiration_policy {
      ttl = 86400
    }
    scheduling {
      timezone = "Asia/Kolkata"
      schedule {
        cron      = "* 8-17 * * 1-5"
        instances = 1
      }
    }
  }
}

data "coder_workspace_preset" "vscode_small" {
  name       = "vscode-small"
  parameters = { ide = "vscode", size = "small" }
  prebuilds {
    instances = 1
    expiration_policy {
      ttl = 86400
    }
    scheduling {
      timezone = "America/New_York"
      schedule {
        cron      = "* 8-17 * * 1-5"
        instances = 4
      }
    }
  }
}

data "coder_workspace_preset" "vscode_large" {
  name       = "vscode-large"
  parameters = { ide = "vscode", size = "large" }
  prebuilds {
    instances = 1
    expiration_policy {
      ttl = 86400
    }
    scheduling {
      timezone = "America/New_York"
      schedule {
        cron      = "* 8-17 * * 1-5"
        instances = 3
      }
    }
  }
}

data "coder_workspace_preset" "vscode_gpu" {
  name       = "vscode-gpu"
  parameters = { ide = "vscode", size = "gpu" }
  prebuilds {
    instances = 0
    expiration_policy {
      ttl = 86400
    }
    scheduling {
      timezone = "America/New_York"
      schedule {
        cron      = "* 8-17 * * 1-5"
        instances = 1
      }
    }
  }
}
